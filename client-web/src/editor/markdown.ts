import type { JSONContent } from '@tiptap/core'
import { MarkdownManager } from '@tiptap/markdown'
import { pageExtensions } from './extensions.ts'

/** Stands for a bar while the serializer escapes what it knows of; no text holds this code point. */
const BAR = '\uFDD0'

export function toMarkdown(page: JSONContent): string {
  const text = manager().serialize(withoutBars(page, false))
  return `${text.replaceAll(BAR, '\\|').trim()}\n`
}

export function fromMarkdown(text: string): JSONContent {
  return manager().parse(text)
}

function manager(): MarkdownManager {
  return new MarkdownManager({ extensions: pageExtensions() })
}

/** In a table a bar ends the cell, also within code; the serializer does not escape it. */
function withoutBars(node: JSONContent, isInTable: boolean): JSONContent {
  const isTable = isInTable || node.type === 'table'
  return {
    ...node,
    ...(isTable && node.text !== undefined && { text: node.text.replaceAll('|', BAR) }),
    ...(node.content !== undefined && {
      content: node.content.map((child) => withoutBars(child, isTable)),
    }),
  }
}
