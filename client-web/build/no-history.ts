import type { Plugin } from 'vite'

const HISTORY = 'prosemirror-history'

/** Tiptap's kit brings an undo along that the page does not use, since Yjs takes back one's own edits only. */
export function noHistory(): Plugin {
  return {
    name: 'confluo-no-history',
    apply: 'build',
    enforce: 'pre',
    resolveId: (source) => (source === HISTORY ? `\0${HISTORY}` : null),
    load: (id) => (id === `\0${HISTORY}` ? 'export const history = null, undo = null, redo = null' : null),
  }
}
