import type { CloseReason } from './close-codes.ts'

/** What this client may do, as the server said. */
export type Access = 'read' | 'write'

/**
 * How far this client's edits are, one case at a time. `unsaved` counts the edits of this browser that the server
 * has not confirmed to be on disk.
 */
export type SyncStatus =
  | { kind: 'connecting'; unsaved: number }
  /** In step with the server, which does not tell what is on disk. */
  | { kind: 'live' }
  | { kind: 'saving'; unsaved: number }
  /** The server said that everything from here is on disk. */
  | { kind: 'saved' }
  /** Connected, but the server takes no edits from here. `refused`: it has turned some down. */
  | { kind: 'read-only'; refused: boolean }
  /** This device has no network. */
  | { kind: 'offline'; unsaved: number }
  /** Lost the server; `retryAt` in milliseconds since the epoch. */
  | { kind: 'reconnecting'; unsaved: number; retryAt: number; reason: CloseReason }
  /** The server ended it for good. */
  | { kind: 'stopped'; unsaved: number; reason: CloseReason; detail: string }

export function isSameStatus(one: SyncStatus, other: SyncStatus): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
