import { type ReactElement, useEffect, useRef, useState } from 'react'
import type { ConfluoSync, SyncStatus } from '../../sync/index.ts'
import { useSyncStatus } from './hooks.ts'
import { statusWords, whereKept } from './status-words.ts'

/** *Saved* is shown only when it has held this long, so that typing does not make the line flicker. */
const SETTLED_MS = 400

interface StatusLineProps {
  sync: ConfluoSync
  keepsCopy: boolean
  onExplain: (() => void) | null
}

/** Always visible, and never better than the truth. */
export function StatusLine({ sync, keepsCopy, onExplain }: StatusLineProps): ReactElement {
  const status = useCalmStatus(useSyncStatus(sync))
  const now = useNow(status.kind === 'reconnecting')
  const [isMeaningShown, setMeaningShown] = useState(false)
  const words = statusWords(status, now)
  const kept = words.kept === null ? null : whereKept(words.kept, keepsCopy)
  const meaning = explain(status, keepsCopy)
  return (
    <div className={`status ${words.tone}`} data-status={status.kind} title={meaning}>
      <button type="button" className="status-says" popoverTarget="status-meaning">
        <span className="status-dot" aria-hidden="true" />
        <span className="status-text">{words.text}</span>
        {kept !== null && <span className="status-kept">{kept}</span>}
      </button>
      <p
        id="status-meaning"
        className="status-meaning"
        popover="auto"
        onBeforeToggle={(event) => setMeaningShown(event.newState === 'open')}
      >
        {isMeaningShown && meaning}
      </p>
      {status.kind === 'reconnecting' && (
        <button type="button" className="link" aria-label="Reconnect now" onClick={() => sync.reconnectNow()}>
          now
        </button>
      )}
      {onExplain !== null && (
        <button type="button" className="link" aria-label="Say why" onClick={onExplain}>
          why
        </button>
      )}
      <Announcement status={status} kept={kept ?? whereKept('Your edits are kept here.', keepsCopy)} />
    </div>
  )
}

/** Says the turns that matter, and not every save. */
function Announcement({ status, kept }: { status: SyncStatus; kept: string }): ReactElement {
  const wasAway = useRef(false)
  const [text, setText] = useState('')
  const { kind } = status
  useEffect(() => {
    const isAway = kind === 'offline' || kind === 'reconnecting' || kind === 'stopped'
    if (isAway && !wasAway.current) setText(`Not connected. ${kept}`)
    else if (wasAway.current && (kind === 'saved' || kind === 'live'))
      setText('Connected again. Everything is in step.')
    else if (kind === 'read-only') setText('Read-only: you can look, but not edit.')
    if (isAway) wasAway.current = true
    else if (kind !== 'connecting' && kind !== 'saving') wasAway.current = false
  }, [kind, kept])
  return (
    <span className="visually-hidden" role="status">
      {text}
    </span>
  )
}

function explain(status: SyncStatus, keepsCopy: boolean): string {
  const here = keepsCopy ? 'A copy is kept in this browser.' : 'This browser keeps no copy.'
  switch (status.kind) {
    case 'saved':
      return `The server has everything on disk. ${here}`
    case 'saving':
      return `Waiting for the server to say that it is on disk. ${here}`
    case 'live':
      return `In step with the server. ${here}`
    case 'reconnecting':
    case 'stopped':
      return `${status.reason.meaning} ${whereKept(status.reason.advice, keepsCopy)}`
    default:
      return here
  }
}

/** Sets nothing for each edit: keys that come faster than a page is drawn would look like an endless loop to React. */
function useCalmStatus(status: SyncStatus): SyncStatus {
  const isSaving = status.kind === 'saving'
  const [wasSaving, setWasSaving] = useState(isSaving)
  const mustSettle = status.kind === 'saved' && wasSaving
  if (!mustSettle && wasSaving !== isSaving) setWasSaving(isSaving)
  useEffect(() => {
    if (!mustSettle) return
    const timer = setTimeout(() => setWasSaving(false), SETTLED_MS)
    return () => clearTimeout(timer)
  }, [mustSettle])
  return mustSettle ? { kind: 'saving', unsaved: 0 } : status
}

function useNow(isTicking: boolean): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (!isTicking) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [isTicking])
  return now
}
