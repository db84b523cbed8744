import type { ReactElement } from 'react'
import { Dialog } from '../../parts/Dialog.tsx'
import { keyNames } from '../../parts/key-names.ts'
import { SHORTCUTS } from './use-shortcuts.ts'

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
