import { Extension } from '@tiptap/core'
import { Plugin } from '@tiptap/pm/state'

/** In text that is edited a press puts the caret; with Ctrl (or ⌘) it opens the link. */
export const OpenLinks = Extension.create({
  name: 'openLinks',
  addProseMirrorPlugins() {
    return [
      new Plugin({
        props: {
          handleDOMEvents: {
            click(view, event) {
              if (!view.editable || event.button !== 0 || !(event.ctrlKey || event.metaKey)) return false
              const link = event.target instanceof Element ? event.target.closest('a') : null
              if (link === null || link.href === '') return false
              event.preventDefault()
              openLink(link.href)
              return true
            },
          },
        },
      }),
    ]
  },
})

/** In a tab that knows nothing of this one. */
export function openLink(href: string): void {
  window.open(href, '_blank', 'noopener,noreferrer')
}
