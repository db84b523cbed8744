import type { Editor, JSONContent } from '@tiptap/core'
import { fromMarkdown, toMarkdown } from './markdown.ts'

/** The page as a file. HTML is a document of its own; JSON is the editor's, and imports without loss. */
export function exportPage(editor: Editor, format: 'md' | 'html' | 'json', title: string): Blob {
  switch (format) {
    case 'md':
      return new Blob([toMarkdown(editor.getJSON())], { type: 'text/markdown' })
    case 'html':
      return new Blob([htmlDocument(title, editor.getHTML())], { type: 'text/html' })
    case 'json':
      return new Blob([JSON.stringify(editor.getJSON(), null, 2)], { type: 'application/json' })
  }
}

/** Adds `text` at the end of the page; what does not fit the page's schema is left out. */
export function importPage(editor: Editor, text: string, extension: string): void {
  const content =
    extension === 'json' ? parsedJson(text) : extension.startsWith('htm') ? text : fromMarkdown(text)
  const end = editor.state.doc.content.size
  const isInserted = editor
    .chain()
    .insertContentAt(end, content, { errorOnInvalidContent: false })
    .scrollIntoView()
    .run()
  if (!isInserted) throw new Error('the content does not fit the page')
}

function parsedJson(text: string): JSONContent[] {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || !('content' in value) || !Array.isArray(value.content)) {
    throw new Error('not a page of this editor')
  }
  return value.content
}

const STYLE =
  'body{max-width:44em;margin:2em auto;padding:0 1em;font:1.05em/1.6 Georgia,serif}' +
  'h1,h2,h3,th{font-family:system-ui,sans-serif}table{border-collapse:collapse;width:100%}' +
  'th,td{border:1px solid #b9c6c1;padding:.4em .6em;text-align:left;vertical-align:top}' +
  'pre{padding:1em;overflow-x:auto;background:#eef2f0}img{max-width:100%}' +
  'blockquote{margin-left:0;padding-left:1em;border-left:3px solid #d9a55a}' +
  'ul[data-type=taskList]{padding:0;list-style:none}ul[data-type=taskList] li{display:flex;gap:.6em}' +
  'td>p,th>p,li p{margin:0}'

function htmlDocument(title: string, body: string): string {
  const head = `<meta charset="utf-8"><title>${escaped(title)}</title><style>${STYLE}</style>`
  return `<!doctype html>\n<html lang="en">\n<head>${head}</head>\n<body>\n${body}\n</body>\n</html>\n`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
