import type { JSONContent } from '@tiptap/core'
import { expect, test } from 'vitest'
import { fromMarkdown, toMarkdown } from './markdown.ts'

function textsOf(node: JSONContent): string[] {
  return [...(node.text === undefined ? [] : [node.text]), ...(node.content ?? []).flatMap(textsOf)]
}

function table(...cells: string[]): JSONContent {
  const content = cells.map((text) => ({
    type: 'tableHeader',
    content: [{ type: 'paragraph', content: [{ type: 'text', text }] }],
  }))
  return { type: 'doc', content: [{ type: 'table', content: [{ type: 'tableRow', content }] }] }
}

test('a bar in a cell does not end it', () => {
  const markdown = toMarkdown(table('A|B', 'C'))
  expect(markdown).toContain('A\\|B')
  expect(textsOf(fromMarkdown(markdown))).toEqual(['A|B', 'C'])
})

test.each([
  '# Head',
  'The **bold** *it* ~~gone~~ `a | b` [the docs](https://example.org/x)',
  '- one\n  - nested',
  '- [ ] task\n- [x] done',
  '> quote',
  '```rust\nlet a = 1 | 2;\n```',
])('%j comes back as it was', (markdown) => {
  expect(toMarkdown(fromMarkdown(markdown)).trim()).toBe(markdown)
})
