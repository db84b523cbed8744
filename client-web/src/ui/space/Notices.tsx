import { type ReactElement, useState } from 'react'
import { Icon } from '../../parts/Icon.tsx'
import { useSyncStatus } from './hooks.ts'
import type { SpaceSession } from './session.ts'
import { downloadSpace } from './transfer.ts'

interface NoticesProps {
  session: SpaceSession
  keepsCopy: boolean
}

/** What needs more words than the status line has: why the server ended it, and what this browser lacks. */
export function Notices({ session, keepsCopy }: NoticesProps): ReactElement | null {
  const status = useSyncStatus(session.sync)
  const [isLackDismissed, setLackDismissed] = useState(readDismissed)

  if (status.kind === 'stopped') {
    const isReset = status.reason.code === 4409
    return (
      <aside className="notice problem" role="alert">
        <p>
          <strong>{status.reason.meaning}</strong> {status.reason.advice}
        </p>
        <div className="notice-actions">
          {(isReset || status.unsaved > 0) && (
            <button type="button" className="button small" onClick={() => downloadSpace(session)}>
              Download my copy
            </button>
          )}
          {isReset && (
            <button type="button" className="button small primary" onClick={() => void startOver(session)}>
              Start from the server’s
            </button>
          )}
          {!isReset && (
            <button type="button" className="button small" onClick={() => session.sync.reconnectNow()}>
              Try again
            </button>
          )}
        </div>
      </aside>
    )
  }
  if (status.kind === 'read-only' && status.refused) {
    return (
      <aside className="notice" role="status">
        <p>
          <strong>Your last edits were not accepted.</strong> You may look at this space, but not edit it.
          They are only in this browser.
        </p>
        <div className="notice-actions">
          <button type="button" className="button small" onClick={() => downloadSpace(session)}>
            Download my copy
          </button>
        </div>
      </aside>
    )
  }
  const lacks = whatIsLacking(keepsCopy)
  if (lacks === null || isLackDismissed) return null
  return (
    <aside className="notice" role="note">
      <p>{lacks}</p>
      <button
        type="button"
        className="button quiet"
        aria-label="Dismiss"
        onClick={() => {
          rememberDismissed()
          setLackDismissed(true)
        }}
      >
        <Icon name="close" size={16} />
      </button>
    </aside>
  )
}

function whatIsLacking(keepsCopy: boolean): string | null {
  if (!keepsCopy) {
    return 'This browser keeps no copy (a private window, or storage is off): edits made offline last only as long as this tab.'
  }
  if (window.isSecureContext) return null
  return 'Opened over plain http: everything works, but the page cannot be opened offline and links are copied by hand. With https it can.'
}

async function startOver(session: SpaceSession): Promise<void> {
  session.sync.destroy()
  await session.localCopy?.discard()
  window.location.reload()
}

function readDismissed(): boolean {
  try {
    return sessionStorage.getItem('confluo:lacks') === 'seen'
  } catch {
    return false
  }
}

function rememberDismissed(): void {
  try {
    sessionStorage.setItem('confluo:lacks', 'seen')
  } catch {
    // It will be said again after a reload.
  }
}
