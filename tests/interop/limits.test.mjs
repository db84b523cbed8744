// What is too large or malformed closes its sender, with a code that arrives, and nobody else.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { connect, join, newName } from './harness/clients.mjs'
import { confluoOnly, startServer } from './harness/server.mjs'
import { throughout, until } from './harness/wait.mjs'
import { awareness, fromHex, message, open, step1, update } from './harness/wire.mjs'

const fixture = (path) => JSON.parse(readFileSync(new URL(`../../fixtures/${path}`, import.meta.url)))
const LIMIT = 256 * 1024
// A message has room for a whole document and what stands beside it.
const settings = { CONFLUO__LIMITS__MAX_MESSAGE_BYTES: '257 KiB', CONFLUO__LIMITS__MAX_DOCUMENT_BYTES: '256 KiB' }

/** Counts the connections that a provider makes, and keeps how they ended. */
const countingSockets = () => {
  const seen = { opened: 0, codes: [] }
  class Counting extends WebSocket {
    constructor (...given) {
      super(...given)
      seen.opened++
      this.on('close', (code) => seen.codes.push(code))
      this.on('error', () => {})
    }
  }
  return { seen, WebSocketPolyfill: Counting }
}

const stopped = async (client) => {
  let closed = null
  client.provider.on('closed', (event) => { closed = event })
  await until(() => closed, 'the client stops for good', { within: 30_000 })
  assert.equal(client.provider.shouldConnect, false)
  return closed
}

describe('fr6_ what is too large closes with 4413, and the code arrives', confluoOnly, () => {
  for (const times of [2, 10, 100]) {
    test(`an edit of ${times} times the limit`, async (t) => {
      const { url } = await startServer(t, { settings })
      const name = newName()
      const witness = await join(t, url, name)
      const { seen, WebSocketPolyfill } = countingSockets()
      const client = await join(t, url, name, { WebSocketPolyfill })
      const end = stopped(client)
      client.text.insert(0, 'x'.repeat(times * LIMIT))
      assert.equal((await end).code, 4413)
      assert.deepEqual(seen, { opened: 1, codes: [4413] })
      witness.text.insert(0, 'unharmed')
      const late = await join(t, url, name)
      assert.equal(late.text.toString(), 'unharmed')
    })

    test(`a document of ${times} times the limit, made offline`, async (t) => {
      const { url } = await startServer(t, { settings })
      const doc = new Y.Doc()
      doc.getText('text').insert(0, 'x'.repeat(times * LIMIT))
      const { seen, WebSocketPolyfill } = countingSockets()
      const client = connect(t, url, newName(), { doc, WebSocketPolyfill })
      assert.equal((await stopped(client)).code, 4413)
      assert.deepEqual(seen, { opened: 1, codes: [4413] })
    })
  }
})

test('sy16_ a document that is full closes who adds to it; readers go on, and deleting helps', confluoOnly, async (t) => {
  const { url } = await startServer(t, { settings })
  const name = newName()
  const reader = await join(t, url, name)
  const writer = await join(t, url, name)
  const end = stopped(writer)
  for (let n = 0; n < 12; n++) writer.text.insert(0, String.fromCharCode(97 + n).repeat(LIMIT / 10))
  assert.equal((await end).code, 4413)
  assert.ok(reader.provider.wsconnected)
  assert.ok(reader.text.length > LIMIT / 2 && reader.text.length <= LIMIT, `${reader.text.length}`)
  reader.text.delete(0, reader.text.length)
  reader.text.insert(0, 'room again')
  await until(async () => (await join(t, url, name)).text.toString() === 'room again', 'it is written')
})

test('aw9_ an awareness state that is too large closes with 4413', confluoOnly, async (t) => {
  const { url } = await startServer(t)
  const wire = await open(t, `${url}/${newName()}`)
  wire.send(awareness([1, 1, { big: 'x'.repeat(70 * 1024) }]))
  assert.equal((await wire.whenClosed()).code, 4413)
})

test('fr5_ each malformed frame closes its sender with 4400 and harms nobody', confluoOnly, async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const witness = await join(t, url, name)
  witness.text.insert(0, 'unharmed')
  for (const { name: title, hex } of fixture('hostile/frames.json').frames.filter(({ name }) => name !== 'good-then-bad')) {
    const wire = await open(t, `${url}/${name}`)
    wire.send(step1())
    await wire.first('step2')
    wire.send(fromHex(hex))
    assert.equal((await wire.whenClosed()).code, 4400, title)
  }
  const late = await join(t, url, name)
  assert.equal(late.text.toString(), 'unharmed')
  assert.ok(witness.provider.wsconnected)
})

test('fr5_ a text frame closes with 4400', confluoOnly, async (t) => {
  const { url } = await startServer(t)
  const wire = await open(t, `${url}/${newName()}`)
  wire.socket.send('hello')
  assert.equal((await wire.whenClosed()).code, 4400)
})

test('sy13_ unsupported content is refused by name', confluoOnly, async (t) => {
  const { url } = await startServer(t)
  for (const { name: title, hex, refusal } of fixture('unsupported.json').updates) {
    const name = newName()
    const wire = await open(t, `${url}/${name}`)
    wire.send(update(fromHex(hex)))
    const { code, reason } = await wire.whenClosed()
    assert.equal(code, 4400, title)
    assert.ok(reason.includes(refusal), `${title}: ${reason}`)
    const late = await join(t, url, name)
    assert.equal(Y.encodeStateVector(late.doc).length, 1, `${title}: nothing of it is kept`)
  }
})

test('fr4_ an unknown type is ignored', confluoOnly, async (t) => {
  const { url } = await startServer(t)
  const wire = await open(t, `${url}/${newName()}`)
  wire.send(message(99, 'whatever'), step1())
  await wire.first('step2')
  assert.equal(wire.closed, null)
})

test('ad5_ y-websocket 2, which comes back at once, does not hammer when it is refused', confluoOnly, async (t) => {
  const { url } = await startServer(t)
  const doc = new Y.Doc()
  doc.getXmlFragment('xml').insert(0, [new Y.XmlHook('hook')])
  const { seen, WebSocketPolyfill } = countingSockets()
  connect(t, url, newName(), { doc, WebSocketPolyfill, version: 2 })
  await until(() => seen.codes.length >= 2, 'it is refused, and comes back', { within: 15_000 })
  const before = seen.opened
  await throughout(5_000, () => seen.opened <= before + 5, 'at most one connection a second')
  assert.ok(seen.codes.every((code) => code === 4400), seen.codes.join())
})
