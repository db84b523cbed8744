import { CollaborationCaret } from '@tiptap/extension-collaboration-caret'
import { Plugin } from '@tiptap/pm/state'
import { yCursorPlugin } from '@tiptap/y-tiptap'
import type { Awareness } from 'y-protocols/awareness'
import { type Person, readPerson } from '../model/presence.ts'
import { CaretNames } from './caret-names.ts'

/** The caret extension, with names that know whose they are: the extension's own `render` is not told. */
export function carets(awareness: Awareness, person: Person) {
  return CollaborationCaret.extend({
    addProseMirrorPlugins() {
      const names = new CaretNames(awareness)
      const { selectionRender } = this.options
      // The types of extensions leave out what those of nodes have.
      const { parent } = this as unknown as { parent?: () => Plugin[] }
      const [listener] = parent?.() ?? []
      const cursors = yCursorPlugin(awareness, {
        cursorBuilder: (user, clientId) => names.render(readPerson(user), clientId),
        selectionBuilder: (user) => selectionRender({ ...readPerson(user) }),
      })
      const lifetime = new Plugin({
        view() {
          names.start()
          return { destroy: () => names.stop() }
        },
      })
      return [...(listener === undefined ? [] : [listener]), lifetime, cursors]
    },
  }).configure({ provider: { awareness }, user: { ...person } })
}
