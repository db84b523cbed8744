// What Confluo adds for who asks: save status and lineage.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as Y from 'yjs'
import { join, newName } from './harness/clients.mjs'
import { confluoOnly, startServer } from './harness/server.mjs'
import { until } from './harness/wait.mjs'
import { hex, open, saveStatus, step1, step2, update } from './harness/wire.mjs'

const edit = (text) => {
  const doc = new Y.Doc()
  doc.getText('text').insert(0, text)
  return { doc, bytes: Y.encodeStateAsUpdate(doc) }
}

describe('save status', confluoOnly, () => {
  test('ss3_ comes back with the same bytes, in order', async (t) => {
    const { url } = await startServer(t)
    const wire = await open(t, `${url}/${newName()}`)
    wire.send(step1())
    await wire.first('step1')
    wire.send(step2(Uint8Array.of(0, 0)))
    for (const bytes of [[1], [2], [0x80, 1], [], Array(64).fill(7)]) {
      const before = wire.of('save-status').length
      wire.send(saveStatus(bytes))
      const { payload, rest } = await wire.first('save-status', { skip: before })
      assert.equal(hex(payload), hex(Uint8Array.from(bytes)))
      assert.equal(rest.length, 0)
    }
    for (let n = 0; n < 100; n++) wire.send(saveStatus([n]))
    await until(() => wire.of('save-status').at(-1).payload[0] === 99, 'the last one')
    const counters = wire.of('save-status').slice(5).map(({ payload }) => payload[0])
    assert.deepEqual(counters, [...counters].sort((a, b) => a - b))
  })

  test('ss5_ does not overtake the echo of the edit that it covers', async (t) => {
    const { url } = await startServer(t)
    const wire = await open(t, `${url}/${newName()}`)
    await wire.first('step1')
    // Who has not asked for the document yet is sent none of it.
    wire.send(step2(Uint8Array.of(0, 0)), step1())
    await wire.first('step2')
    for (let n = 0; n < 20; n++) {
      const { doc, bytes } = edit(`edit ${n}`)
      const read = wire.messages.length
      wire.send(update(bytes), saveStatus([n]))
      await wire.first('save-status', { skip: n })
      const answers = wire.messages.slice(read).filter(({ kind }) => kind !== 'awareness')
      const echo = answers.findIndex(({ kind, payload }) => kind === 'update' && Y.parseUpdateMeta(payload).to.has(doc.clientID))
      const status = answers.findIndex(({ kind }) => kind === 'save-status')
      assert.ok(echo >= 0 && echo < status, answers.map(({ kind }) => kind).join())
    }
  })

  test('ss2_ is true across a kill', async (t) => {
    const server = await startServer(t)
    const name = newName()
    const wire = await open(t, `${server.url}/${name}`)
    await wire.first('step1')
    wire.send(step2(Uint8Array.of(0, 0)), update(edit('saved').bytes), saveStatus([1]))
    await wire.first('save-status')
    await server.stop('SIGKILL')
    await server.start()
    assert.equal((await join(t, server.url, name)).text.toString(), 'saved')
  })

  test('ss1_ of more than 64 bytes closes with 4400', async (t) => {
    const { url } = await startServer(t)
    const wire = await open(t, `${url}/${newName()}`)
    wire.send(saveStatus(Array(65).fill(1)))
    assert.equal((await wire.whenClosed()).code, 4400)
  })
})

describe('lineage', confluoOnly, () => {
  test('li2_ is told to who asks, the same to all, also after a restart; and to nobody else', async (t) => {
    const server = await startServer(t)
    const name = newName()
    const ask = async (id) => (await (await open(t, `${server.url}/${name}?lineage=${id}`)).first('lineage')).text
    // The id is on disk with the first edit.
    ;(await join(t, server.url, name)).text.insert(0, 'a document')
    const lineage = await ask('')
    assert.match(lineage, /^[0-9a-f]{32}$/)
    assert.equal(await ask(''), lineage)
    assert.equal(await ask(lineage), lineage)
    await server.stop('SIGKILL')
    await server.start()
    assert.equal(await ask(''), lineage)
    const another = newName()
    const other = await open(t, `${server.url}/${another}?lineage=`)
    ;(await join(t, server.url, another)).text.insert(0, 'another document')
    assert.notEqual((await other.first('lineage')).text, lineage)
    const stranger = await open(t, `${server.url}/${name}`)
    stranger.send(step1())
    await stranger.first('step2')
    assert.deepEqual(stranger.of('lineage'), [])
  })

  test('li3_ another lineage closes with 4409 and exchanges nothing', async (t) => {
    const { url } = await startServer(t)
    const name = newName()
    const { provider, text } = await join(t, url, name, { params: {} })
    text.insert(0, 'the new document')
    const wire = await open(t, `${url}/${name}?lineage=${'0'.repeat(32)}`)
    wire.send(step1(), update(edit('the old one').bytes))
    assert.equal((await wire.whenClosed()).code, 4409)
    assert.deepEqual(wire.messages.filter(({ kind }) => kind === 'step2' || kind === 'update'), [])
    assert.equal((await join(t, url, name)).text.toString(), 'the new document')
    assert.ok(provider.wsconnected)
  })
})
