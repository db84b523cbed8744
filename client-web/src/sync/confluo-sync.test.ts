import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { ConfluoSync, type SyncOptions } from './confluo-sync.ts'
import { FakeServer, type Sent } from './fake-server.ts'

let server: FakeServer
let open: ConfluoSync[] = []

beforeEach(() => {
  vi.useFakeTimers()
  server = new FakeServer()
})

afterEach(() => {
  for (const sync of open) sync.destroy()
  open = []
  vi.useRealTimers()
})

function client(options: Partial<SyncOptions> = {}): {
  doc: Y.Doc
  sync: ConfluoSync
  type: (text: string) => void
} {
  const doc = new Y.Doc()
  const sync = new ConfluoSync({
    serverUrl: 'ws://server/sync',
    document: 'minutes',
    doc,
    awareness: new Awareness(doc),
    lineage: null,
    onLineage: () => {},
    unsaved: 0,
    tabs: false,
    WebSocketPolyfill: server.WebSocket,
    ...options,
  })
  open.push(sync)
  sync.connect()
  return { doc, sync, type: (text) => doc.getText('t').insert(0, text) }
}

test('an edit is saving until the server says that it is on disk', () => {
  const { sync, type } = client()
  expect(sync.status.kind).toBe('connecting')
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe()
  expect(sync.status).toEqual({ kind: 'saved' })

  type('a')
  expect(sync.status).toEqual({ kind: 'saving', unsaved: 1 })
  vi.advanceTimersByTime(100)
  type('b')
  server.answerProbe()
  expect(sync.status, 'the answer covers the first edit only').toEqual({ kind: 'saving', unsaved: 1 })
  vi.advanceTimersByTime(100)
  server.answerProbe()
  expect(sync.status).toEqual({ kind: 'saved' })
})

test('a probe leaves after the edit that it asks about', () => {
  const { type } = client()
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe()
  server.sent.length = 0
  vi.advanceTimersByTime(100)
  type('a')
  vi.advanceTimersByTime(100)
  expect(server.sent.map((message) => message.type)).toEqual([0, 102])
})

test('a server that never answers is live, never saved', () => {
  const { sync, type } = client()
  server.open()
  type('a')
  vi.advanceTimersByTime(10_000)
  expect(sync.status).toEqual({ kind: 'live' })
})

test('nothing is asked before the server has been sent what it lacks', () => {
  const { type } = client({ unsaved: 3 })
  type('offline')
  server.socket.open()
  vi.advanceTimersByTime(1000)
  expect(server.probes, 'step 1 of the server has not come').toHaveLength(0)
})

test('offline edits are counted, kept over a reconnect, and saved by its answer', () => {
  const { sync, type } = client({ unsaved: 2 })
  server.open()
  vi.advanceTimersByTime(0)
  server.probes.length = 0
  server.socket.closeWith(1006)
  type('a')
  expect(sync.status).toMatchObject({ kind: 'reconnecting', unsaved: 3 })
  vi.advanceTimersByTime(20_000)
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe()
  expect(sync.status).toEqual({ kind: 'saved' })
  expect(server.doc.getText('t').toString()).toBe('a')
})

test('an answer to a probe of an earlier connection says nothing', () => {
  const { sync, type } = client()
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe()
  type('a')
  vi.advanceTimersByTime(100)
  const stale = server.probes.splice(0)
  server.socket.closeWith(1006)
  vi.advanceTimersByTime(20_000)
  server.open()
  server.probes.push(...stale)
  server.answerProbe()
  expect(sync.status).toEqual({ kind: 'saving', unsaved: 1 })
})

test('what an observer writes when the server tells of a change is an edit from here', () => {
  const { doc, sync } = client()
  doc.getText('t').observe(() => doc.getText('count').insert(0, '1'))
  server.doc.getText('t').insert(0, 'from the server')
  server.open()
  expect(server.doc.getText('count').toString()).toBe('1')
  expect(sync.unsaved).toBe(1)
})

test('refused edits stay unsaved and turn the client read-only', () => {
  const { sync, type } = client()
  server.open()
  type('a')
  vi.advanceTimersByTime(100)
  server.answerProbe(true)
  expect(sync.status).toEqual({ kind: 'read-only', refused: true })
  expect(sync.unsaved).toBe(1)
  expect(sync.canWrite).toBe(false)
})

test('the time of the next attempt is the one that the provider keeps', () => {
  const { sync } = client()
  server.open()
  server.socket.closeWith(1006)
  const status = sync.status
  if (status.kind !== 'reconnecting') throw new Error(status.kind)
  const attempts = server.sockets.length
  vi.advanceTimersByTime(status.retryAt - Date.now() - 1)
  expect(server.sockets).toHaveLength(attempts)
  vi.advanceTimersByTime(1)
  expect(server.sockets).toHaveLength(attempts + 1)
})

test.each([
  [4401, 'unauthorised'],
  [4403, 'forbidden'],
  [4404, 'no-such-document'],
  [4409, 'document-reset'],
  [4413, 'too-large'],
])('%i stops for good', (code, name) => {
  const { sync } = client()
  server.open()
  server.socket.closeWith(code, 'because')
  expect(sync.status).toMatchObject({ kind: 'stopped', detail: 'because', reason: { name } })
  const attempts = server.sockets.length
  vi.advanceTimersByTime(60_000)
  expect(server.sockets).toHaveLength(attempts)
})

test('a device without a network is offline, and comes back at once with it', () => {
  const { sync } = client()
  server.open()
  sync.setNetwork(false)
  server.socket.closeWith(1006)
  expect(sync.status).toMatchObject({ kind: 'offline' })
  const attempts = server.sockets.length
  sync.setNetwork(true)
  expect(server.sockets).toHaveLength(attempts + 1)
})

test('the lineage goes along, is learned, and goes along the next time', () => {
  const learned: string[] = []
  client({ onLineage: (lineage) => learned.push(lineage) })
  expect(server.socket.url).toBe('ws://server/sync/minutes?lineage=')
  server.open()
  server.tellLineage('l-1')
  expect(learned).toEqual(['l-1'])
  server.socket.closeWith(1001)
  vi.advanceTimersByTime(20_000)
  expect(server.socket.url).toBe('ws://server/sync/minutes?lineage=l-1')
})

test('tabs share a document of one lineage, and hear nothing of one from before a reset', () => {
  const old = client({ tabs: true, lineage: 'old' })
  const [one, other] = [client({ tabs: true }), client({ tabs: true })]
  old.type('from before')
  one.type('before there is a server')
  expect(other.doc.getText('t').toString()).toBe('before there is a server')

  server.sockets[1]?.open()
  server.tellLineage('new', server.sockets[1])
  one.type('known to the server, ')
  expect(other.doc.getText('t').toString()).toBe('before there is a server')
  server.sockets[2]?.open()
  server.tellLineage('new', server.sockets[2])
  expect(other.doc.getText('t').toString()).toBe('known to the server, before there is a server')
  expect(old.doc.getText('t').toString()).toBe('from before')
})

test('a token goes in the subprotocol and in the first message, never in the address', () => {
  const { sync } = client({ token: { initial: 'a.b.c' } })
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.a.b.c'])
  expect(server.socket.url).not.toContain('a.b.c')
  server.open()
  expect(server.sent).toContainEqual({ type: 2, text: 'a.b.c' })
  server.tellAccess('read')
  expect(sync.status).toEqual({ kind: 'read-only', refused: false })
})

test('a token is renewed before it runs out, on the same connection, and goes along to the next', async () => {
  const refresh = vi.fn(async () => 'fresh')
  client({ token: { initial: tokenThatEnds(600), refresh } })
  server.open()
  await vi.advanceTimersByTimeAsync(500_000)
  expect(refresh).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(30_000)
  expect(refresh).toHaveBeenCalledOnce()
  expect(server.sent.filter(isToken).at(-1)).toEqual({ type: 2, text: 'fresh' })
  expect(server.sockets).toHaveLength(1)
  server.socket.closeWith(1001)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.fresh'])
})

test('every renewal is made with the token before it, for as long as the space is open', async () => {
  let made = 0
  const olds: (string | null)[] = []
  const refresh = async (old: string | null) => {
    olds.push(old)
    return tokenThatEnds(200 + made++)
  }
  const first = tokenThatEnds(200)
  client({ token: { initial: first, refresh } })
  server.open()
  await vi.advanceTimersByTimeAsync(400_000)
  expect(olds.length).toBe(3)
  expect(olds[0]).toBe(first)
  expect(new Set(olds).size).toBe(3)
})

test('a token that lasts a moment is not asked for without a pause', async () => {
  const refresh = vi.fn(async () => `${tokenThatEnds(0)}.${refresh.mock.calls.length}`)
  client({ token: { initial: tokenThatEnds(1), refresh } })
  server.open()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(refresh.mock.calls.length).toBeLessThanOrEqual(31)
})

test('an endpoint that cannot be reached is asked again until it answers', async () => {
  const refresh = vi.fn(async () => 'fresh')
  refresh.mockRejectedValueOnce(new Error('no network')).mockRejectedValueOnce(new Error('no network'))
  client({ token: { initial: tokenThatEnds(100), refresh } })
  server.open()
  await vi.advanceTimersByTimeAsync(70_000)
  expect(refresh).toHaveBeenCalledTimes(3)
  expect(server.sent).toContainEqual({ type: 2, text: 'fresh' })
})

test('a token is renewed while there is no connection, for the next one', async () => {
  const refresh = vi.fn(async () => 'fresh')
  client({ token: { initial: tokenThatEnds(100), refresh } })
  server.open()
  server.socket.closeWith(1006)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(refresh).toHaveBeenCalledOnce()
  server.socket.closeWith(1006)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.fresh'])
})

test.each([4401, 4501])('a token that %i turns down is renewed before coming back', async (code) => {
  const refresh = vi.fn(async () => 'new')
  const { sync } = client({ token: { initial: 'old', refresh } })
  server.open()
  server.socket.closeWith(code)
  expect(sync.status).toMatchObject({
    kind: 'reconnecting',
    reason: { advice: 'A fresh key is being asked for.' },
  })
  await vi.advanceTimersByTimeAsync(0)
  expect(refresh).toHaveBeenCalledWith('old')
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.new'])
  server.open()
  await vi.advanceTimersByTimeAsync(0)
  server.answerProbe()
  expect(sync.status).toEqual({ kind: 'saved' })
})

test('a token that has run out is renewed before the first connection', async () => {
  const refresh = async () => 'new'
  client({ token: { initial: tokenThatEnds(-5), refresh } })
  expect(server.sockets).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(0)
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.new'])
})

test('without a token in the link, one is asked for; without an answer the server decides', async () => {
  client({ token: { initial: null, refresh: async () => null } })
  await vi.advanceTimersByTimeAsync(0)
  expect(server.socket.protocols).toEqual([])
})

test('who gets no fresh token is told that access ended, and not asked about again', async () => {
  const refresh = vi.fn(async () => null)
  const { sync } = client({ token: { initial: 'old', refresh } })
  server.open()
  server.socket.closeWith(4501, 'the token has expired')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sync.status).toMatchObject({
    kind: 'stopped',
    reason: { code: 4501 },
    detail: 'the token has expired',
  })
  expect(refresh).toHaveBeenCalledOnce()
  expect(server.sockets).toHaveLength(1)
})

test('a fresh token that is turned down as well ends it', async () => {
  let made = 0
  const { sync } = client({ token: { initial: 'old', refresh: async () => `new-${made++}` } })
  server.open()
  server.socket.closeWith(4401)
  await vi.advanceTimersByTimeAsync(0)
  server.socket.closeWith(4401)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sync.status).toMatchObject({ kind: 'stopped', reason: { code: 4401 } })
  expect(server.sockets).toHaveLength(2)
})

test('while the endpoint is away a refused client waits, and comes back by itself', async () => {
  const refresh = vi.fn(async () => 'new')
  refresh.mockRejectedValueOnce(new Error('no network'))
  const { sync } = client({ token: { initial: 'old', refresh } })
  server.open()
  server.socket.closeWith(4401)
  await vi.advanceTimersByTimeAsync(0)
  expect(sync.status).toMatchObject({ kind: 'reconnecting', retryAt: Date.now() + 5000 })
  await vi.advanceTimersByTimeAsync(5000)
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.new'])
})

test('a token that came another way is used at once, also where it had ended', () => {
  const { sync } = client({ token: { initial: 'old' } })
  server.open()
  sync.useToken('second')
  expect(server.sent).toContainEqual({ type: 2, text: 'second' })
  server.socket.closeWith(4401)
  expect(sync.status.kind).toBe('stopped')
  sync.useToken('third')
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.third'])
})

test('an expired token without a way to renew it is told as expired', () => {
  const { sync } = client({ token: { initial: tokenThatEnds(-5) } })
  server.socket.open()
  server.socket.closeWith(4401)
  expect(sync.status).toMatchObject({
    kind: 'stopped',
    reason: { code: 4401, meaning: 'Your access ran out.' },
  })
})

test('whoever was there before a reconnect is seen again at once', async () => {
  const doc = new Y.Doc()
  const awareness = new Awareness(doc)
  client({ doc, awareness })
  server.open()
  awareness.states.set(7, { user: {} })
  awareness.meta.set(7, { clock: 3, lastUpdated: 0 })
  server.socket.closeWith(1006)
  await vi.advanceTimersByTimeAsync(0)
  expect(awareness.meta.has(7)).toBe(false)
})

function isToken(message: Sent): boolean {
  return message.type === 2 && message.text !== null
}

function tokenThatEnds(inSeconds: number): string {
  return `head.${btoa(JSON.stringify({ exp: Date.now() / 1000 + inSeconds }))}.signature`
}
