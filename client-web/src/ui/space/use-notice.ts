import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import type { ConfluoSync } from '../../sync/index.ts'
import { useKeepsCopy } from './hooks.ts'
import { type Browser, LACK, type Notice, noticeOf } from './notice.ts'
import type { SpaceSession } from './session.ts'

interface ShownNotice {
  notice: Notice | null
  putAway: () => void
  /** Brings back what was put away; null when that has nothing to do with the server. */
  bringBack: (() => void) | null
}

/** What there is to say now, unless it has been put away. */
export function useNotice(session: SpaceSession): ShownNotice {
  const browser = { keepsCopy: useKeepsCopy(session.localCopy), isSecure: window.isSecureContext }
  const notice = useSameNotice(session.sync, browser)
  const key = notice?.key ?? null
  const [away, setAway] = useState<readonly string[]>(() => (isLackKnown() ? [LACK] : []))
  // When it happens the next time it is news again; what a browser lacks it goes on lacking.
  useEffect(() => setAway((keys) => keys.filter((kept) => kept === key || kept === LACK)), [key])
  const isAway = key !== null && away.includes(key)
  return {
    notice: isAway ? null : notice,
    putAway() {
      if (key === null) return
      if (key === LACK) rememberLack()
      setAway((keys) => [...keys, key])
    },
    bringBack: isAway && key !== LACK ? () => setAway((keys) => keys.filter((kept) => kept !== key)) : null,
  }
}

/** The same object for as long as it says the same: a space is not drawn anew for every edit that is saved. */
function useSameNotice(sync: ConfluoSync, browser: Browser): Notice | null {
  const latest = useRef<Notice | null>(null)
  return useSyncExternalStore(
    useCallback((changed) => sync.subscribe(changed), [sync]),
    () => {
      const next = noticeOf(sync.status, browser)
      if (JSON.stringify(next) !== JSON.stringify(latest.current)) latest.current = next
      return latest.current
    },
  )
}

function isLackKnown(): boolean {
  try {
    return sessionStorage.getItem('confluo:lacks') === 'seen'
  } catch {
    return false
  }
}

function rememberLack(): void {
  try {
    sessionStorage.setItem('confluo:lacks', 'seen')
  } catch {
    // It will be said again after a reload.
  }
}
