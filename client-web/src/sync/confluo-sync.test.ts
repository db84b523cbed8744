import { expect, test, vi } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { client, server } from './client.fixture.ts'

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

test('a reader who becomes a writer sends what was refused, and it is saved', () => {
  const { sync, type } = client()
  server.isReadOnly = true
  server.open()
  type('refused')
  vi.advanceTimersByTime(100)
  server.answerProbe(true)
  expect(server.doc.getText('t').toString()).toBe('')

  server.isReadOnly = false
  server.tellAccess('write')
  expect(server.doc.getText('t').toString()).toBe('refused')
  expect(sync.status).toEqual({ kind: 'saving', unsaved: 1 })
  vi.advanceTimersByTime(100)
  server.answerProbe()
  expect(sync.status).toEqual({ kind: 'saved' })
  server.tellAccess('read')
  expect(sync.status, 'nothing is refused any more').toEqual({ kind: 'read-only', refused: false })
})

test('a refusal that is told after the access was given is of the time before', () => {
  const { sync, type } = client()
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe()
  server.isReadOnly = true
  vi.advanceTimersByTime(100)
  type('one')
  vi.advanceTimersByTime(100)
  type('another')

  server.isReadOnly = false
  server.tellAccess('write')
  vi.advanceTimersByTime(100)
  server.answerProbe(true)
  expect(sync.canWrite).toBe(true)
  server.answerProbe(true)
  vi.advanceTimersByTime(100)
  server.answerProbe()
  expect(server.doc.getText('t').toString()).toBe('anotherone')
  expect(sync.status).toEqual({ kind: 'saved' })
})

test('the first answer to what was asked after the access was given may still tell of what was refused before', () => {
  const { sync, type } = client()
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe()
  server.isReadOnly = true
  type('refused')
  server.isReadOnly = false
  server.tellAccess('write')
  vi.advanceTimersByTime(100)
  server.answerProbe(true)
  expect(server.doc.getText('t').toString()).toBe('refused')
  expect(sync.canWrite).toBe(true)

  server.isReadOnly = true
  vi.advanceTimersByTime(100)
  server.answerProbe(true)
  expect(sync.status, 'a later one is believed').toEqual({ kind: 'read-only', refused: true })
})

test('who becomes a writer sends what was refused, also where nothing counts as unsaved', () => {
  const { doc, sync } = client()
  Y.applyUpdate(doc, edited('from before'), sync.provider)
  sync.destroy()
  const again = client({ doc, awareness: new Awareness(doc) })
  server.isReadOnly = true
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe(true)
  expect(again.sync.unsaved).toBe(0)

  server.isReadOnly = false
  server.tellAccess('write')
  expect(server.doc.getText('t').toString()).toBe('from before')
  expect(again.sync.status, 'not yet told').toEqual({ kind: 'live' })
  vi.advanceTimersByTime(100)
  server.answerProbe()
  expect(again.sync.status).toEqual({ kind: 'saved' })
})

test('without a token in hand, a refusal lasts as long as the connection', () => {
  const { sync, type } = client()
  server.isReadOnly = true
  server.open()
  type('refused')
  vi.advanceTimersByTime(100)
  server.answerProbe(true)
  expect(sync.canWrite).toBe(false)

  server.socket.closeWith(1006)
  server.isReadOnly = false
  vi.advanceTimersByTime(20_000)
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe()
  expect(sync.canWrite).toBe(true)
  expect(sync.status).toEqual({ kind: 'saved' })
})

test('a count of unsaved edits that was never kept is none', () => {
  const { sync, type } = client({ unsaved: undefined as unknown as number })
  expect(sync.status).toEqual({ kind: 'connecting', unsaved: 0 })
  type('a')
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe()
  expect(sync.status).toEqual({ kind: 'saved' })
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

function edited(text: string): Uint8Array {
  const doc = new Y.Doc()
  doc.getText('t').insert(0, text)
  return Y.encodeStateAsUpdate(doc)
}
