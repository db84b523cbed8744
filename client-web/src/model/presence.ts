/** Who someone is, as they chose it. `name` and `color` are the fields that the editor's caret extension reads. */
export interface Person {
  name: string
  color: string
}

/** What part of the whiteboard someone looks at, in board coordinates. */
export interface BoardView {
  centerX: number
  centerY: number
  width: number
  height: number
}

export type Pane = 'page' | 'board'

/** Where someone points on the whiteboard. */
export interface BoardPointer {
  x: number
  y: number
  tool: 'pointer' | 'laser'
  button: 'down' | 'up'
}

/** What each client tells the others through awareness. It is never stored. */
export interface Presence {
  user: Person
  idle: boolean
  pane: Pane
  pointer: BoardPointer | null
  selection: string[]
  boardView: BoardView | null
  /** How far down the page they are, from 0 to 1. */
  pageScroll: number
}

export interface Peer extends Presence {
  clientId: number
}

/** The fields of `Awareness` that presence needs; a socket is none of them. */
export interface AwarenessLike {
  clientID: number
  getStates(): Map<number, Record<string, unknown>>
}

/**
 * Everyone else who is here, ordered by client id. Awareness comes from other people's programs, so nothing about its
 * shape is taken for granted.
 */
export function readPeers(awareness: AwarenessLike): Peer[] {
  const peers: Peer[] = []
  for (const [clientId, state] of awareness.getStates()) {
    if (clientId === awareness.clientID) continue
    if (!isRecord(state.user)) continue
    peers.push({
      clientId,
      user: readPerson(state.user),
      idle: state.idle === true,
      pane: state.pane === 'board' ? 'board' : 'page',
      pointer: readPointer(state.pointer),
      selection: Array.isArray(state.selection)
        ? state.selection.filter((id): id is string => typeof id === 'string').slice(0, 500)
        : [],
      boardView: readBoardView(state.boardView),
      pageScroll: isFiniteNumber(state.pageScroll) ? Math.min(1, Math.max(0, state.pageScroll)) : 0,
    })
  }
  return peers.sort((one, other) => one.clientId - other.clientId)
}

/** Whatever is not as it should be gets a name and a colour that can be shown. */
export function readPerson(value: unknown): Person {
  const { name: givenName, color: givenColor } = isRecord(value) ? value : {}
  const name = typeof givenName === 'string' ? givenName.slice(0, 60) : 'Someone'
  const isColor = typeof givenColor === 'string' && /^#[0-9a-f]{6}$/i.test(givenColor)
  return { name, color: isColor ? givenColor : '#5b6b68' }
}

function readPointer(value: unknown): BoardPointer | null {
  if (!isRecord(value) || !isFiniteNumber(value.x) || !isFiniteNumber(value.y)) return null
  return {
    x: value.x,
    y: value.y,
    tool: value.tool === 'laser' ? 'laser' : 'pointer',
    button: value.button === 'down' ? 'down' : 'up',
  }
}

function readBoardView(value: unknown): BoardView | null {
  if (!isRecord(value)) return null
  const { centerX, centerY, width, height } = value
  if (!isFiniteNumber(centerX) || !isFiniteNumber(centerY)) return null
  if (!isFiniteNumber(width) || !isFiniteNumber(height) || width <= 0 || height <= 0) return null
  return { centerX, centerY, width, height }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
