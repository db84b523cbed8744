import { expect, test } from 'vitest'
import { closeReason, type SyncStatus } from '../../sync/index.ts'
import { statusWords } from './status-words.ts'

const reason = closeReason(1006)

test.each<[SyncStatus, string, string | null]>([
  [{ kind: 'connecting', unsaved: 0 }, 'Connecting', null],
  [{ kind: 'live' }, 'Live', null],
  [{ kind: 'saving', unsaved: 4 }, 'Saving', null],
  [{ kind: 'saved' }, 'Saved', null],
  [{ kind: 'read-only', refused: false }, 'Read-only', null],
  [{ kind: 'offline', unsaved: 1 }, 'Offline', '1 change kept here'],
  [{ kind: 'offline', unsaved: 1234 }, 'Offline', '1,234 changes kept here'],
  [{ kind: 'reconnecting', unsaved: 2, retryAt: 4200, reason }, 'Reconnecting in 4 s', '2 changes kept here'],
  [{ kind: 'reconnecting', unsaved: 0, retryAt: 900, reason }, 'Reconnecting', null],
  [{ kind: 'stopped', unsaved: 0, reason: closeReason(4401), detail: '' }, 'No access', null],
  [{ kind: 'stopped', unsaved: 0, reason: closeReason(4403), detail: '' }, 'No access', null],
  [{ kind: 'stopped', unsaved: 0, reason: closeReason(4501), detail: '' }, 'No access', null],
  [
    { kind: 'stopped', unsaved: 3, reason: closeReason(4409), detail: '' },
    'Space was reset',
    '3 changes kept here',
  ],
  [
    { kind: 'stopped', unsaved: 3, reason: closeReason(4413), detail: '' },
    'Too large',
    '3 changes kept here',
  ],
])('%j reads %s', (status, text, kept) => {
  expect(statusWords(status, 1000)).toMatchObject({ text, kept })
})
