import type { Collaborator, SocketId } from '@excalidraw/excalidraw/types'
import type { Awareness } from 'y-protocols/awareness'
import { type Peer, readPeers } from '../model/presence.ts'

/** Shows the pointers, names and selections of everybody else, at most once a frame. */
export function showPeers(
  awareness: Awareness,
  show: (collaborators: Map<SocketId, Collaborator>) => void,
): () => void {
  let frame: number | null = null
  const render = (): void => {
    frame = null
    show(new Map(readPeers(awareness).map((peer) => [String(peer.clientId) as SocketId, collaborator(peer)])))
  }
  const plan = (): void => {
    frame ??= requestAnimationFrame(render)
  }
  awareness.on('change', plan)
  plan()
  return () => {
    awareness.off('change', plan)
    if (frame !== null) cancelAnimationFrame(frame)
  }
}

function collaborator(peer: Peer): Collaborator {
  const { clientId, user, pointer, selection } = peer
  return {
    id: idOfHue(user.color),
    socketId: String(clientId) as SocketId,
    username: user.name,
    color: { background: user.color, stroke: user.color },
    selectedElementIds: Object.fromEntries(selection.map((id) => [id, true as const])),
    ...(pointer !== null && {
      pointer: { x: pointer.x, y: pointer.y, tool: pointer.tool },
      button: pointer.button,
    }),
  }
}

/**
 * Excalidraw paints a pointer in a hue that it computes from this id (its hash modulo 37, times ten), and takes no
 * colour. A one-letter id hashes to its code, so a letter exists for each hue.
 */
function idOfHue(color: string): string {
  return String.fromCharCode(370 + Math.round(hueOf(color) / 10))
}

function hueOf(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255)
  if (red === undefined || green === undefined || blue === undefined) return 0
  const largest = Math.max(red, green, blue)
  const range = largest - Math.min(red, green, blue)
  if (range === 0) return 0
  if (largest === red) return 60 * (((green - blue) / range + 6) % 6)
  if (largest === green) return 60 * ((blue - red) / range + 2)
  return 60 * ((red - green) / range + 4)
}
