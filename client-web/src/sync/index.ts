export { CLOSE_REASONS, type CloseReason, closeReason } from './close-codes.ts'
export { ConfluoSync, type SyncOptions } from './confluo-sync.ts'
export type { Access, SyncStatus } from './status.ts'
export { fetchToken, isExpired, readExpiry, type TokenSource } from './token.ts'
