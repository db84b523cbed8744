import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import type { Awareness } from 'y-protocols/awareness'
import { type Pane, type Peer, type Person, readPeers } from '../../model/presence.ts'
import { paced } from '../../parts/paced.ts'
import type { BoardApi } from '../../whiteboard/board-api.ts'
import { setPresence } from './hooks.ts'

const SCROLL_INTERVAL_MS = 100

interface Follow {
  followed: number | null
  /** Whom I follow, for the frame round the window. */
  person: Person | null
  toggle: (clientId: number) => void
  tellPageScroll: (target: EventTarget) => void
}

/** Shows what somebody else looks at until I touch anything, they leave, or I ask it to stop. */
export function useFollow(
  awareness: Awareness,
  peers: readonly Peer[],
  board: BoardApi | null,
  showPane: (pane: Pane) => void,
): Follow {
  const [followed, setFollowed] = useState<number | null>(null)
  const show = useRef(showPane)
  show.current = showPane
  const peer = peers.find((candidate) => candidate.clientId === followed) ?? null
  const isGone = followed !== null && peer === null

  useEffect(() => {
    if (isGone) setFollowed(null)
  }, [isGone])

  useEffect(() => {
    if (followed === null) return
    let lastView = ''
    let lastScroll = Number.NaN
    const look = (): void => {
      const current = readPeers(awareness).find((candidate) => candidate.clientId === followed)
      if (current === undefined) return
      show.current(current.pane)
      const viewKey = JSON.stringify(current.boardView)
      if (current.boardView !== null && viewKey !== lastView) board?.look(current.boardView)
      lastView = viewKey
      if (current.pageScroll !== lastScroll) scrollPage(current.pageScroll)
      lastScroll = current.pageScroll
    }
    const stop = (event: Event): void => {
      const isEscape = event instanceof KeyboardEvent && event.key === 'Escape'
      const isInHeader = event.target instanceof Element && event.target.closest('.space-header') !== null
      if (isEscape || !isInHeader) setFollowed(null)
    }
    look()
    awareness.on('change', look)
    const gestures = ['pointerdown', 'wheel', 'keydown'] as const
    for (const gesture of gestures) window.addEventListener(gesture, stop, { capture: true, passive: true })
    return () => {
      awareness.off('change', look)
      for (const gesture of gestures) window.removeEventListener(gesture, stop, { capture: true })
    }
  }, [followed, awareness, board])

  const scrolls = useMemo(
    () => paced(SCROLL_INTERVAL_MS, (share: number) => setPresence(awareness, 'pageScroll', share)),
    [awareness],
  )
  useEffect(() => () => scrolls.stop(), [scrolls])
  const tellPageScroll = useCallback(
    (target: EventTarget) => {
      if (!(target instanceof HTMLElement) || !target.matches('.page-scroll')) return
      const room = target.scrollHeight - target.clientHeight
      scrolls.tell(room <= 0 ? 0 : Math.round((target.scrollTop / room) * 1000) / 1000)
    },
    [scrolls],
  )
  const toggle = useCallback(
    (clientId: number) => setFollowed((current) => (current === clientId ? null : clientId)),
    [],
  )
  return { followed, person: peer?.user ?? null, toggle, tellPageScroll }
}

function scrollPage(share: number): void {
  const page = document.querySelector('.page-scroll')
  page?.scrollTo({ top: share * (page.scrollHeight - page.clientHeight) })
}
