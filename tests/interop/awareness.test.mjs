// Who is here: seen at once, moving, and gone when they are gone.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as Y from 'yjs'
import { connect, join, newName, synced } from './harness/clients.mjs'
import { silentProxy } from './harness/proxy.mjs'
import { confluoOnly, startServer } from './harness/server.mjs'
import { throughout, until } from './harness/wait.mjs'
import { awareness, message, open, step1 } from './harness/wire.mjs'

const stateOf = (client, who) => client.provider.awareness.getStates().get(who.doc.clientID)

/** A client in a process of its own, to be killed: `{ child, clientID }`. */
const joinInAnotherProcess = async (t, url, name) => {
  const script = fileURLToPath(new URL('harness/one-client.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, url, name], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data')
  return { child, clientID: Number(line.toString()) }
}

// They wait for time to pass, so they wait together.
describe('awareness', { concurrency: true }, () => {
  test('aw5_ a cursor appears, moves and goes', async (t) => {
    const { url } = await startServer(t)
    const name = newName()
    const first = await join(t, url, name)
    const second = await join(t, url, name)
    first.provider.awareness.setLocalState({ user: 'Ada', cursor: { x: 1, y: 1 } })
    await until(() => stateOf(second, first)?.cursor?.x === 1, 'it appears')
    for (let x = 2; x < 60; x++) first.provider.awareness.setLocalStateField('cursor', { x, y: x / 2 })
    await until(() => stateOf(second, first)?.cursor?.x === 59, 'it moves to its last place')
    first.provider.awareness.setLocalState(null)
    await until(() => !stateOf(second, first), 'it goes')
    assert.ok(second.provider.wsconnected)
  })

  test('aw6_ a late joiner sees who is here', async (t) => {
    const { url } = await startServer(t)
    const name = newName()
    const here = await Promise.all([1, 2, 3].map(() => join(t, url, name)))
    here.forEach(({ provider }, n) => provider.awareness.setLocalState({ n }))
    await until(() => here.every((client) => client.provider.awareness.getStates().size === 3), 'they see each other')
    const late = await join(t, url, name)
    await until(() => here.every((each, n) => stateOf(late, each)?.n === n), 'the late one sees all three')
  })

  test('aw6_ query awareness brings every state', confluoOnly, async (t) => {
    const { url } = await startServer(t)
    const name = newName()
    const here = await join(t, url, name)
    here.provider.awareness.setLocalState({ here: true })
    const wire = await open(t, `${url}/${name}`)
    await until(() => wire.entries.some(({ client }) => client === here.doc.clientID), 'it is told unasked')
    const told = wire.entries.length
    wire.send(message(3))
    await until(() => wire.entries.slice(told).some(({ client }) => client === here.doc.clientID), 'and again when it asks')
  })

  test('aw7_ a client whose process is killed disappears at once', async (t) => {
    const { url } = await startServer(t)
    const name = newName()
    const watcher = await join(t, url, name)
    const { child, clientID } = await joinInAnotherProcess(t, url, name)
    const states = () => watcher.provider.awareness.getStates()
    await until(() => states().get(clientID)?.alive, 'it appears')
    child.kill('SIGKILL')
    await until(() => !states().has(clientID), 'it disappears', { within: 3_000 })
  })

  test('aw7_ a client behind a dead network disappears after 30 s', confluoOnly, async (t) => {
    const { port, url } = await startServer(t)
    const name = newName()
    const proxy = await silentProxy(t, port)
    // This watcher never expires anybody by itself, as a stock client would.
    const watcher = await open(t, `${url}/${name}`)
    watcher.send(step1())
    const lost = await join(t, url.replace(`:${port}`, `:${proxy.port}`), name)
    const heard = () => watcher.entries.filter(({ client }) => client === lost.doc.clientID)
    await until(() => heard().at(-1)?.state, 'it appears')
    proxy.fallSilent()
    await until(() => heard().at(-1).state === null, 'the server says that it is gone', { within: 45_000 })
  })

  test('aw3_ one of four dies without a close and comes back: the others see it at once and keep seeing it', confluoOnly, async (t) => {
    const { port, url } = await startServer(t)
    const name = newName()
    const proxy = await silentProxy(t, port)
    const others = await Promise.all([1, 2, 3].map(() => join(t, url, name)))
    const fourth = await join(t, url.replace(`:${port}`, `:${proxy.port}`), name)
    fourth.provider.awareness.setLocalState({ life: 1 })
    await until(() => others.every((each) => stateOf(each, fourth)?.life === 1), 'the others see it')
    // Its socket at the server stays open, as after a dead battery. It comes back with the same client id.
    proxy.fallSilent()
    fourth.provider.disconnect()
    const back = connect(t, url, name, { doc: fourth.doc })
    back.provider.awareness.setLocalState({ life: 2 })
    // Its awareness is new, so its clock may be older than what is known: a stock client then takes a newer one.
    back.provider.awareness.setLocalState({ life: 2, again: true })
    await synced(back)
    const isSeen = () => others.every((each) => stateOf(each, fourth)?.life === 2)
    await until(isSeen, 'the others see it again', { within: 2_000 })
    proxy.breakOff()
    await throughout(20_000, isSeen, 'the others see it, whatever becomes of the old socket')
  })

  test('aw2_ a relayed state does not make the relayer its owner', confluoOnly, async (t) => {
    const { url } = await startServer(t)
    const name = newName()
    const owner = await open(t, `${url}/${name}`)
    const relayer = await open(t, `${url}/${name}`)
    const watcher = await open(t, `${url}/${name}`)
    owner.send(awareness([501, 1, { mine: true }]))
    await until(() => relayer.entries.some(({ client }) => client === 501), 'the relayer hears it')
    relayer.send(awareness([502, 1, {}]))
    relayer.send(awareness([501, 2, { stolen: true }], [501, 9, null]))
    relayer.send(awareness([502, 2, { after: true }]))
    await until(() => watcher.entries.some(({ state }) => state?.after), 'all of it has been read')
    relayer.socket.close()
    await until(() => watcher.entries.some(({ client, state }) => client === 502 && state === null), 'the relayer is gone')
    const told = watcher.entries.filter(({ client }) => client === 501)
    assert.ok(told.length > 0)
    told.forEach((entry) => assert.deepEqual(entry, { client: 501, clock: 1, state: { mine: true } }))
    owner.send(awareness([501, 2, { mine: 'still' }]))
    await until(() => watcher.entries.some(({ state }) => state?.mine === 'still'), 'the owner goes on')
  })

  test('aw7_ every id of a session goes with it', confluoOnly, async (t) => {
    const { url } = await startServer(t)
    const name = newName()
    const watcher = await open(t, `${url}/${name}`)
    const several = await open(t, `${url}/${name}`)
    several.send(awareness([601, 5, { a: 1 }]), awareness([602, 7, { b: 1 }]), awareness([603, 1, { c: 1 }]))
    const last = (id) => watcher.entries.filter(({ client }) => client === id).at(-1)
    await until(() => [601, 602, 603].every((id) => last(id)?.state), 'all are here')
    several.socket.terminate()
    await until(() => [601, 602, 603].every((id) => last(id).state === null), 'all are gone')
    assert.deepEqual([601, 602, 603].map((id) => last(id).clock), [6, 8, 2])
  })

  for (const version of [3, 2]) {
    test(`fr3_ a client of y-websocket ${version} without awareness stays connected for 100 s in a quiet room`, confluoOnly, async (t) => {
      const { url } = await startServer(t)
      const doc = new Y.Doc()
      const quiet = connect(t, url, newName(), { doc, connect: false, version })
      quiet.provider.awareness.setLocalState(null)
      const statuses = []
      quiet.provider.on('status', ({ status }) => statuses.push(status))
      quiet.provider.connect()
      await synced(quiet)
      await throughout(100_000, () => quiet.provider.wsconnected, 'the quiet client is connected')
      assert.deepEqual(statuses.filter((status) => status === 'disconnected'), [])
    })
  }
})
