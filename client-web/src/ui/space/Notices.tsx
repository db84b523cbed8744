import type { ReactElement } from 'react'
import { Icon } from '../../parts/Icon.tsx'
import type { Notice, NoticeAction } from './notice.ts'
import type { SpaceSession } from './session.ts'
import { downloadSpace } from './transfer.ts'

interface NoticesProps {
  session: SpaceSession
  notice: Notice | null
  onPutAway: () => void
}

const ROLES = { problem: 'alert', passing: 'status', remark: 'note' } as const

const LABELS: Record<NoticeAction, string> = {
  download: 'Download my copy',
  'start-over': 'Start from the server’s',
  'try-again': 'Try again',
}

/** A notice floats over the end of the window, so that nothing moves when it comes and goes. */
export function Notices({ session, notice, onPutAway }: NoticesProps): ReactElement | null {
  if (notice === null) return null
  const run = (action: NoticeAction): void => {
    if (action === 'download') downloadSpace(session)
    else if (action === 'try-again') session.sync.reconnectNow()
    else void session.startOver()
  }
  return (
    <aside key={notice.key} className={`notice ${notice.tone}`} role={ROLES[notice.tone]}>
      <p>
        {notice.title !== null && <strong>{notice.title} </strong>}
        {notice.text}
      </p>
      <button type="button" className="button quiet" aria-label="Dismiss" onClick={onPutAway}>
        <Icon name="close" size={16} />
      </button>
      {notice.actions.length > 0 && (
        <div className="notice-actions">
          {notice.actions.map((action) => (
            <button
              key={action}
              type="button"
              className={`button small ${action === 'start-over' ? 'primary' : ''}`}
              onClick={() => run(action)}
            >
              {LABELS[action]}
            </button>
          ))}
        </div>
      )}
    </aside>
  )
}
