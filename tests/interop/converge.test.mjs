// Two, three, ten stock clients come to the same document.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { connect, converged, join, newName, synced } from './harness/clients.mjs'
import { frameRelay, isUpdate } from './harness/proxy.mjs'
import { startServer } from './harness/server.mjs'
import { until } from './harness/wait.mjs'

test('two providers converge both ways', async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const first = await join(t, url, name)
  const second = await join(t, url, name)
  first.text.insert(0, 'from the first')
  second.doc.getMap('map').set('from', 'the second')
  await until(() => second.text.toString() === 'from the first', 'the second sees the first')
  await until(() => first.doc.getMap('map').get('from') === 'the second', 'the first sees the second')
  await converged([first, second])
})

test('a late joiner sees everything', async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const first = await join(t, url, name)
  const second = await join(t, url, name)
  first.text.insert(0, 'written before')
  second.doc.getArray('array').push([1, 2, 3])
  first.text.delete(0, 8)
  await converged([first, second])
  const late = await join(t, url, name)
  assert.equal(late.text.toString(), 'before')
  await converged([first, second, late])
})

test('a late joiner sees everything after all others have left', async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const first = await join(t, url, name)
  const witness = await join(t, url, name)
  first.text.insert(0, 'left behind')
  await converged([first, witness])
  first.provider.destroy()
  witness.provider.destroy()
  const late = await join(t, url, name)
  await until(() => late.text.toString() === 'left behind', 'the text is there')
})

test('offline edits merge on reconnect', async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const clients = await Promise.all([1, 2, 3].map(() => join(t, url, name)))
  const [first, second, third] = clients
  first.text.insert(0, 'base')
  await converged(clients)
  first.provider.disconnect()
  second.provider.disconnect()
  first.text.insert(0, 'first offline ')
  first.doc.getMap('map').set('key', 'first')
  second.text.insert(4, ' second offline')
  second.text.delete(0, 2)
  third.text.insert(4, ' third online')
  first.provider.connect()
  second.provider.connect()
  await Promise.all([synced(first), synced(second)])
  await converged(clients)
  const text = third.text.toString()
  for (const part of ['first offline', 'second offline', 'third online']) assert.ok(text.includes(part), `${part}: ${text}`)
})

test('a document made offline by two is merged when both come', async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const docs = ['one', 'two'].map((word) => {
    const doc = new Y.Doc()
    doc.getArray('array').push([word])
    return doc
  })
  const clients = docs.map((doc) => connect(t, url, name, { doc }))
  await until(() => clients.every(({ doc }) => doc.getArray('array').length === 2), 'both have both')
  await converged(clients)
})

test('64 updates in one burst by each of ten providers', async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const clients = await Promise.all(Array.from({ length: 10 }, () => join(t, url, name)))
  clients.forEach(({ doc }, who) => {
    for (let n = 0; n < 64; n++) doc.getArray('array').push([`${who}:${n}`])
  })
  await until(() => clients.every(({ doc }) => doc.getArray('array').length === 640), 'everyone has all 640', {
    within: 30_000,
    detail: () => clients.map(({ doc }) => doc.getArray('array').length).join(' ')
  })
  await converged(clients)
  const late = await join(t, url, name)
  assert.equal(new Set(late.doc.getArray('array').toArray()).size, 640)
})

test('emoji-heavy typing by two at the same place', async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const first = await join(t, url, name)
  const second = await join(t, url, name)
  const emoji = ['😀', '👩‍👩‍👧‍👦', '🇺🇳', '𝕏', '🦀', 'é', '漢']
  for (let round = 0; round < 40; round++) {
    first.text.insert(0, emoji[round % emoji.length])
    second.text.insert(second.text.length, emoji[(round * 3) % emoji.length])
    if (round % 10 === 9) await converged([first, second])
    // Whole emoji only: half of a pair diverges in Yjs itself.
    if (round % 10 === 9) first.text.delete(0, emoji[round % emoji.length].length)
  }
  await converged([first, second])
  const late = await join(t, url, name)
  await converged([first, second, late])
  assert.ok(!late.text.toString().includes('\ufffd'), 'no character was broken')
})

test('a paste of 5 MB', async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const first = await join(t, url, name)
  const second = await join(t, url, name)
  const paste = 'All of it, and "more" — ünï😀. '.repeat(Math.ceil(5_000_000 / 31)).slice(0, 5_000_000)
  first.text.insert(0, paste)
  await until(() => second.text.length === paste.length, 'the other has it', { within: 30_000 })
  second.text.insert(0, 'still here: ')
  await until(() => first.text.toString().startsWith('still here: '), 'and answers')
  const late = await join(t, url, name)
  assert.equal(late.text.toString(), first.text.toString())
})

// The control: these checks are worth nothing if they pass when the server loses updates.
for (const [direction, fromClient] of [['to the server', true], ['to the clients', false]]) {
  test(`control: dropped updates ${direction} are noticed`, async (t) => {
    const { port, url } = await startServer(t)
    let dropped = 0
    const relay = await frameRelay(t, port, (frame, isFromClient) => {
      const drops = isUpdate(frame) && isFromClient === fromClient
      if (drops) dropped++
      return !drops
    })
    const name = newName()
    const first = await join(t, url.replace(`:${port}`, `:${relay.port}`), name)
    const second = await join(t, url.replace(`:${port}`, `:${relay.port}`), name)
    first.text.insert(0, 'lost')
    await until(() => dropped > 0, 'an update was dropped')
    await assert.rejects(converged([first, second], { within: 2_000 }), /all documents are equal/)
  })
}

test('control: without a server nothing converges', async (t) => {
  const name = newName()
  const clients = [1, 2].map(() => connect(t, 'ws://127.0.0.1:9', name))
  clients[0].text.insert(0, 'alone')
  await assert.rejects(converged(clients, { within: 1_000 }), /all documents are equal/)
})
