import { expect, test } from 'vitest'
import { CLOSE_REASONS, closeReason, type SyncStatus } from '../../sync/index.ts'
import { noticeOf } from './notice.ts'

const browser = { keepsCopy: true, isSecure: true }

function stopped(code: number, unsaved = 0): SyncStatus {
  return { kind: 'stopped', unsaved, reason: closeReason(code), detail: '' }
}

function reconnecting(code: number): SyncStatus {
  return { kind: 'reconnecting', unsaved: 0, retryAt: 0, reason: closeReason(code) }
}

/** One of each kind that no close code brings. */
const CALM: readonly SyncStatus[] = [
  { kind: 'connecting', unsaved: 2 },
  { kind: 'live' },
  { kind: 'saving', unsaved: 2 },
  { kind: 'saved' },
  { kind: 'read-only', refused: false },
  { kind: 'read-only', refused: true },
  { kind: 'offline', unsaved: 2 },
]

test('every code of the server is told in words, with what to do', () => {
  for (const { code, permanent, meaning, advice } of CLOSE_REASONS) {
    const notice = noticeOf(permanent ? stopped(code) : reconnecting(code), browser)
    expect(notice, String(code)).toMatchObject({ title: meaning, text: advice })
  }
})

test.each([
  [stopped(4403), ['try-again']],
  [stopped(4403, 2), ['download', 'try-again']],
  [stopped(4409), ['download', 'start-over']],
])('%j offers %j', (status, actions) => {
  expect(noticeOf(status, browser)?.actions).toEqual(actions)
})

test('a network that fails, and a calm space, need no more words than the status line has', () => {
  expect(noticeOf(reconnecting(1006), browser)).toBeNull()
  expect(noticeOf({ kind: 'saved' }, browser)).toBeNull()
  expect(noticeOf({ kind: 'read-only', refused: false }, browser)).toBeNull()
})

test('what the browser lacks is said, unless the server has more to tell', () => {
  const lacking = { keepsCopy: true, isSecure: false }
  expect(noticeOf({ kind: 'saved' }, lacking)?.text).toContain('plain http')
  expect(noticeOf({ kind: 'saved' }, { ...lacking, keepsCopy: false })?.text).toContain('keeps no copy')
  expect(noticeOf(stopped(4403), lacking)?.title).toContain('no access')
})

test('where no copy is kept, nobody is told that one is', () => {
  for (const { code } of CLOSE_REASONS) {
    for (const status of [stopped(code, 2), reconnecting(code)]) {
      const notice = noticeOf(status, { ...browser, keepsCopy: false })
      expect(notice?.text, String(code)).not.toContain('kept here')
    }
  }
  for (const status of CALM) {
    const { text } = noticeOf(status, { ...browser, keepsCopy: false }) ?? { text: '' }
    expect(text, status.kind).not.toMatch(/kept here|in this browser/)
  }
  expect(noticeOf(reconnecting(1001), { ...browser, keepsCopy: false })?.text).toContain('in this tab only')
  const refused = { kind: 'read-only', refused: true } as const
  expect(noticeOf(refused, browser)?.text).toContain('only in this browser: reload if')
  expect(noticeOf(refused, { ...browser, keepsCopy: false })?.text).toContain('only in this tab.')
})
