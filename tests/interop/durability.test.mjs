// What anyone has seen through the server is on disk: through restarts, kills and lost local copies.
import assert from 'node:assert/strict'
import 'fake-indexeddb/auto'
import { describe, test } from 'node:test'
import * as decoding from 'lib0/decoding'
import { IndexeddbPersistence } from 'y-indexeddb'
import * as Y from 'yjs'
import { connect, converged, join, newName, synced } from './harness/clients.mjs'
import { confluoOnly, startServer, temporaryFolder } from './harness/server.mjs'
import { until } from './harness/wait.mjs'
import { read } from './harness/wire.mjs'

/** Types at every turn of the event loop until `stop`, in text, map and array. */
const keepTyping = (client, who) => {
  let count = 0
  let timer
  const type = () => {
    client.doc.getArray('array').push([`${who}:${count}`])
    client.text.insert(Math.floor(client.text.length / 2), `${who}`)
    client.doc.getMap('map').set(`${who}`, count)
    if (count % 7 === 6) client.text.delete(0, 2)
    count++
    timer = setTimeout(type, 2)
  }
  type()
  return () => clearTimeout(timer)
}

const vectorOf = (doc) => Y.decodeStateVector(Y.encodeStateVector(doc))

/**
 * How far each client's edits were seen through the server: by another client, or by itself as the echo of its own edit.
 */
const watchEchoes = (client) => {
  const echoed = { clock: 0 }
  const handlers = client.provider.messageHandlers
  const [readSync] = handlers
  handlers[0] = (encoder, decoder, ...rest) => {
    const { kind, payload } = read(message(decoder))
    if (kind === 'update') {
      const own = Y.parseUpdateMeta(payload).to.get(client.doc.clientID)
      if (own !== undefined) echoed.clock = Math.max(echoed.clock, own)
    }
    readSync(encoder, decoder, ...rest)
  }
  return echoed
}
/** The whole frame that a decoder stands in, whose type it has read. */
const message = (decoder) => decoding.createDecoder(decoder.arr).arr

const seenClocks = (clients, echoes) => {
  const seen = new Map()
  const raise = (id, clock) => seen.set(id, Math.max(clock, seen.get(id) ?? 0))
  clients.forEach(({ doc }, place) => {
    raise(doc.clientID, echoes[place].clock)
    for (const [id, clock] of vectorOf(doc)) if (id !== doc.clientID) raise(id, clock)
  })
  return seen
}

const lost = (seen, doc) => {
  const kept = vectorOf(doc)
  return [...seen].filter(([id, clock]) => (kept.get(id) ?? 0) < clock)
}

/** Six clients type; in the midst of it the server is killed; they stay away until a stranger has looked. */
const typeAndKill = async (t, server, atEdits) => {
  const name = newName()
  const clients = await Promise.all(Array.from({ length: 6 }, () => join(t, server.url, name)))
  const echoes = clients.map(watchEchoes)
  const stops = clients.map(keepTyping)
  const edits = () => clients[0].doc.getArray('array').length
  await until(() => edits() >= atEdits, `${atEdits} edits were seen`, { within: 30_000 })
  const ended = server.stop('SIGKILL')
  clients.forEach(({ provider }) => provider.disconnect())
  stops.forEach((stop) => stop())
  await ended
  const seen = seenClocks(clients, echoes)
  assert.ok([...seen.values()].every((clock) => clock > 0) && seen.size === 6, 'everyone was seen by someone')
  return { name, clients, seen }
}

test('kill -9 under load loses nothing that anyone had seen, five times', confluoOnly, async (t) => {
  const server = await startServer(t)
  for (const atEdits of [30, 100, 217, 400, 650]) {
    const { name, clients, seen } = await typeAndKill(t, server, atEdits)
    await server.start()
    const stranger = await join(t, server.url, name)
    assert.deepEqual(lost(seen, stranger.doc), [], `killed after ${atEdits} edits`)
    assert.equal(stranger.doc.store.pendingStructs, null)
    clients.forEach(({ provider }) => provider.connect())
    await Promise.all(clients.map((client) => synced(client)))
    await converged([...clients, stranger])
    clients.concat(stranger).forEach(({ provider }) => provider.disconnect())
  }
})

test('control: a server that forgets is noticed', async (t) => {
  const server = await startServer(t)
  const { name, seen } = await typeAndKill(t, server, 30)
  server.dataDir = temporaryFolder(t)
  await server.start()
  const stranger = await join(t, server.url, name)
  assert.equal(lost(seen, stranger.doc).length, 6)
})

test('cl3_ a restart under load: the server ends with 0, its clients come back and converge', confluoOnly, async (t) => {
  const server = await startServer(t)
  const name = newName()
  const clients = await Promise.all(Array.from({ length: 4 }, () => join(t, server.url, name)))
  const closes = new Set()
  // A connection that the stopped server refuses is none that it closed.
  clients.forEach(({ provider }) => provider.on('connection-close', (event) => provider.wsconnected && closes.add(event?.code)))
  const stops = clients.map(keepTyping)
  for (let restart = 0; restart < 2; restart++) {
    const before = clients[0].doc.getArray('array').length
    await until(() => clients[0].doc.getArray('array').length > before + 100, 'they type')
    assert.deepEqual(await server.stop('SIGTERM'), { code: 0, signal: null })
    await server.start()
    await Promise.all(clients.map((client) => synced(client)))
  }
  stops.forEach((stop) => stop())
  await converged(clients, { within: 20_000 })
  assert.deepEqual([...closes], [1001])
  const stranger = await join(t, server.url, name)
  await converged([...clients, stranger])
})

test('sy6_ the echo of an edit means that it is on disk', confluoOnly, async (t) => {
  const server = await startServer(t)
  const name = newName()
  const alone = await join(t, server.url, name)
  const echoed = watchEchoes(alone)
  alone.text.insert(0, 'acknowledged')
  await until(() => echoed.clock === 'acknowledged'.length, 'the echo comes')
  const ended = server.stop('SIGKILL')
  alone.provider.destroy()
  await ended
  await server.start()
  const { text } = await join(t, server.url, name)
  assert.equal(text.toString(), 'acknowledged')
})

/** The stored updates of a y-indexeddb database, as `[key, bytes]`; and a way to lose one. */
const openDatabase = (name) => new Promise((resolve, reject) => {
  const request = indexedDB.open(name)
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})
const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})
const loseStoredUpdate = async (name, containing) => {
  const database = await openDatabase(name)
  const store = database.transaction('updates', 'readwrite').objectStore('updates')
  const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())])
  const place = values.findIndex((value) => Buffer.from(value).includes(containing))
  assert.ok(place >= 0, `there is an update of ${containing}`)
  await done(store.delete(keys[place]))
  database.close()
}

describe('sy11_ a client whose IndexedDB lost one of its own updates', () => {
  const lose = async (t) => {
    const server = await startServer(t)
    const name = newName()
    const before = new Y.Doc()
    const stored = new IndexeddbPersistence(name, before)
    await stored.whenSynced
    for (const word of ['one ', 'two ', 'three ']) before.getText('text').insert(before.getText('text').length, word)
    before.getMap('map').set('count', 3)
    await stored.destroy()
    await loseStoredUpdate(name, 'two ')

    const doc = new Y.Doc()
    const restored = new IndexeddbPersistence(name, doc)
    t.after(() => restored.destroy())
    await restored.whenSynced
    assert.notEqual(doc.store.pendingStructs, null, 'the loss left a gap')
    const witness = await join(t, server.url, name)
    const asked = { count: 0 }
    const client = connect(t, server.url, name, { doc, connect: false })
    const [readSync] = client.provider.messageHandlers
    client.provider.messageHandlers[0] = (encoder, decoder, ...rest) => {
      if (read(message(decoder)).kind === 'step1') asked.count++
      readSync(encoder, decoder, ...rest)
    }
    client.provider.connect()
    await synced(client)
    return { server, name, client, witness, asked }
  }

  test('does not loop, and its later typing arrives', confluoOnly, async (t) => {
    const { client, witness, asked, name, server } = await lose(t)
    await until(() => witness.text.toString().includes('one'), 'what came before the gap arrives')
    for (let n = 0; n < 50; n++) {
      client.text.insert(client.text.length, `later ${n} `)
      await until(() => witness.text.toString().includes(`later ${n} `), `typing ${n} arrives`)
    }
    witness.text.insert(0, 'answered ')
    await until(() => client.text.toString().startsWith('answered'), 'and it hears the others')
    assert.ok(asked.count <= 4, `the server asked ${asked.count} times`)
    const stranger = await join(t, server.url, name)
    assert.ok(stranger.text.toString().includes('later 49'))
    assert.ok(client.provider.wsconnected && client.provider.shouldConnect)
  })

  test("leaves no gap in anybody else's document", confluoOnly, async (t) => {
    const { client, witness, name, server } = await lose(t)
    client.text.insert(0, 'new ')
    await until(() => witness.text.toString().includes('new'), 'it types')
    const gap = client.doc.store.pendingStructs.missing
    assert.equal(gap.size, 1)
    const stranger = await join(t, server.url, name)
    assert.equal(stranger.doc.store.pendingStructs, null, 'nobody else has a gap')
  })
})
