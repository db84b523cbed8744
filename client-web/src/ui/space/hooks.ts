import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { LocalCopy } from '../../local/local-copy.ts'
import { type Peer, type Presence, readPeers } from '../../model/presence.ts'
import type { ConfluoSync, SyncStatus } from '../../sync/index.ts'

const IDLE_AFTER_MS = 2 * 60_000

export function useSyncStatus(sync: ConfluoSync): SyncStatus {
  return useSyncExternalStore(
    useCallback((changed) => sync.subscribe(changed), [sync]),
    () => sync.status,
  )
}

export function useCanWrite(sync: ConfluoSync): boolean {
  return useSyncExternalStore(
    useCallback((changed) => sync.subscribe(changed), [sync]),
    () => sync.canWrite,
  )
}

export function useKeepsCopy(copy: LocalCopy): boolean {
  return useSyncExternalStore(
    useCallback((changed) => copy.subscribe(changed), [copy]),
    () => copy.isKept,
  )
}

export function useText(text: Y.Text): string {
  return useSyncExternalStore(
    useCallback(
      (changed) => {
        text.observe(changed)
        return () => text.unobserve(changed)
      },
      [text],
    ),
    () => text.toString(),
  )
}

/** Who else is here, as the header shows it: a pointer that moves changes nothing in it. */
export function usePeers(awareness: Awareness): Peer[] {
  const [peers, setPeers] = useState<Peer[]>([])
  const shown = useRef('')
  useEffect(() => {
    const read = (): void => {
      const next = readPeers(awareness)
      const key = JSON.stringify(next.map(({ clientId, user, idle, pane }) => [clientId, user, idle, pane]))
      if (key === shown.current) return
      shown.current = key
      setPeers(next)
    }
    read()
    awareness.on('change', read)
    return () => awareness.off('change', read)
  }, [awareness])
  return peers
}

export function setPresence<K extends keyof Presence>(
  awareness: Awareness,
  field: K,
  value: Presence[K],
): void {
  if (awareness.getLocalState() === null) awareness.setLocalState({})
  awareness.setLocalStateField(field, value)
}

/** Tells the others when I have done nothing for a while, or look elsewhere. */
export function useIdle(awareness: Awareness): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null
    let isIdle: boolean | null = null
    const set = (idle: boolean): void => {
      if (isIdle === idle) return
      isIdle = idle
      setPresence(awareness, 'idle', idle)
    }
    const active = (): void => {
      set(document.hidden)
      if (document.hidden) return
      if (timer !== null) clearTimeout(timer)
      timer = setTimeout(() => set(true), IDLE_AFTER_MS)
    }
    const events = ['pointermove', 'pointerdown', 'keydown', 'wheel'] as const
    for (const event of events) window.addEventListener(event, active, { passive: true })
    document.addEventListener('visibilitychange', active)
    active()
    return () => {
      if (timer !== null) clearTimeout(timer)
      for (const event of events) window.removeEventListener(event, active)
      document.removeEventListener('visibilitychange', active)
    }
  }, [awareness])
}

export function useMediaQuery(query: string): boolean {
  return useSyncExternalStore(
    useCallback(
      (changed) => {
        const list = window.matchMedia(query)
        list.addEventListener('change', changed)
        return () => list.removeEventListener('change', changed)
      },
      [query],
    ),
    () => window.matchMedia(query).matches,
  )
}
