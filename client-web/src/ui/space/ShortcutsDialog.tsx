import type { ReactElement } from 'react'
import { Dialog } from '../../parts/Dialog.tsx'
import { keyNames } from '../../parts/key-names.ts'

interface ShortcutGroup {
  title: string
  keys: readonly { keys: string; does: string }[]
}

/** What `useShortcuts`, the editor and the whiteboard do. */
const SHORTCUTS: readonly ShortcutGroup[] = [
  {
    title: 'Everywhere',
    keys: [
      { keys: 'Alt 1', does: 'Page only' },
      { keys: 'Alt 2', does: 'Page and whiteboard' },
      { keys: 'Alt 3', does: 'Whiteboard only' },
      { keys: 'Alt T', does: 'Edit the title' },
      { keys: 'Alt /', does: 'These shortcuts' },
      { keys: 'Ctrl Z, Ctrl Shift Z', does: 'Undo and redo your own edits' },
    ],
  },
  {
    title: 'On the page',
    keys: [
      { keys: '/', does: 'Insert a heading, list, table …' },
      { keys: '# ## ###, -, 1., [ ], >, ```', does: 'Markdown, at the start of a line' },
      { keys: '**bold**, `code`, [text](link)', does: 'Markdown, in a line' },
      { keys: 'Ctrl B, Ctrl I, Ctrl U', does: 'Bold, italic, underline' },
      { keys: 'Ctrl K', does: 'Link' },
      { keys: 'Ctrl and a press', does: 'Open a link' },
    ],
  },
  {
    title: 'On the whiteboard',
    keys: [
      { keys: 'V R O A T P', does: 'Select, rectangle, ellipse, arrow, text, pen' },
      { keys: '?', does: 'All its other keys' },
    ],
  },
]

export function ShortcutsDialog({ onClose }: { onClose: () => void }): ReactElement {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      {SHORTCUTS.map((group) => (
        <section key={group.title} className="shortcuts">
          <h3>{group.title}</h3>
          <dl>
            {group.keys.map(({ keys, does }) => (
              <div key={does}>
                <dt>
                  <kbd>{keyNames(keys)}</kbd>
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </Dialog>
  )
}
