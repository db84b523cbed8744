import type { Editor, JSONContent } from '@tiptap/core'
import { MarkdownManager } from '@tiptap/markdown'
import { pageExtensions } from './extensions.ts'

/** The page as a file. HTML is a document of its own; JSON is the editor's, and imports without loss. */
export function exportPage(editor: Editor, format: 'md' | 'html' | 'json'): Blob {
  switch (format) {
    case 'md':
      return new Blob([`${markdown().serialize(editor.getJSON()).trim()}\n`], { type: 'text/markdown' })
    case 'html':
      return new Blob([htmlDocument(editor.getHTML())], { type: 'text/html' })
    case 'json':
      return new Blob([JSON.stringify(editor.getJSON(), null, 2)], { type: 'application/json' })
  }
}

/** Adds `text` at the end of the page; what does not fit the page's schema is left out. */
export function importPage(editor: Editor, text: string, extension: string): void {
  const content =
    extension === 'json' ? parsedJson(text) : extension.startsWith('htm') ? text : markdown().parse(text)
  const end = editor.state.doc.content.size
  const isInserted = editor
    .chain()
    .insertContentAt(end, content, { errorOnInvalidContent: false })
    .scrollIntoView()
    .run()
  if (!isInserted) throw new Error('the content does not fit the page')
}

function markdown(): MarkdownManager {
  return new MarkdownManager({ extensions: pageExtensions() })
}

function parsedJson(text: string): JSONContent[] {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || !('content' in value) || !Array.isArray(value.content)) {
    throw new Error('not a page of this editor')
  }
  return value.content
}

function htmlDocument(body: string): string {
  return `<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Page</title></head>\n<body>\n${body}\n</body>\n</html>\n`
}
