// Every kind of content, JavaScript → server → JavaScript: unchanged but for the documented losses.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import * as Y from 'yjs'
import { describeState } from '../../fixtures/make/describe.mjs'
import { connect, converged, join, joinAndDescribe, newName, synced } from './harness/clients.mjs'
import { isReference, startServer } from './harness/server.mjs'
import { until } from './harness/wait.mjs'

const folder = (name) => new URL(`../../fixtures/${name}/`, import.meta.url)
const fixtures = (name) => readdirSync(folder(name)).sort().map((file) => JSON.parse(readFileSync(new URL(file, folder(name)))))
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'base64'))

/** The reference loses nothing. */
const expected = ({ content, kept, stateVector, deleteSet }) =>
  ({ content: isReference ? content : (kept ?? content), stateVector, deleteSet })

/** Waits until a client has come to a state; fails with the difference. */
const becomes = async ({ doc }, roots, state, what) => {
  const isThere = () => isDeepStrictEqual(describeState(Y, doc, roots), state)
  await until(isThere, what).catch(() => assert.deepEqual(describeState(Y, doc, roots), state, what))
}

/** Whether a document has all that an edit builds on; else the edit would wait in it, and never be sent. */
const isDue = (doc, update) => {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  Y.applyUpdate(copy, update)
  return copy.store.pendingStructs === null && copy.store.pendingDs === null
}

test('sy14_ every kind of content comes back as it was, but for the known losses', async (t) => {
  const server = await startServer(t)
  const sent = []
  for (const fixture of fixtures('documents')) {
    // A witness sees each edit as it is made; who joins later is sent the whole document.
    const witness = await join(t, server.url, fixture.name)
    const writer = await join(t, server.url, fixture.name)
    fixture.updates.forEach((update) => Y.applyUpdate(writer.doc, bytes(update)))
    await becomes(witness, fixture.roots, expected(fixture), `${fixture.name}, edit by edit`)
    assert.deepEqual(await joinAndDescribe(t, server.url, fixture.name, fixture.roots), expected(fixture), `${fixture.name}, joining late`)
    sent.push(fixture)
  }
  if (isReference) return
  await server.stop('SIGKILL')
  await server.start()
  for (const fixture of sent) {
    const { doc } = await join(t, server.url, `${fixture.name}`)
    assert.deepEqual(describeState(Y, doc, fixture.roots), expected(fixture), `${fixture.name}, from disk`)
  }
})

test('sy14_ every kind of content survives as one update made offline', async (t) => {
  const { url } = await startServer(t)
  for (const fixture of fixtures('documents')) {
    const name = newName()
    const doc = new Y.Doc()
    Y.applyUpdateV2(doc, bytes(fixture.v2))
    const writer = connect(t, url, name, { doc })
    await synced(writer)
    const reader = connect(t, url, name)
    await becomes(reader, fixture.roots, expected(fixture), fixture.name)
  }
})

test('sy4_ every history, lived through the server, ends as in the reference', async (t) => {
  const { url } = await startServer(t)
  for (const { name, roots, clients, steps, end } of fixtures('histories')) {
    const ours = new Map()
    for (const id of clients) ours.set(id, await join(t, url, name))
    for (const { client, update } of steps.filter(({ client }) => client)) {
      const { doc } = ours.get(client)
      await until(() => isDue(doc, bytes(update)), `what ${client} had seen arrives`)
      Y.applyUpdate(doc, bytes(update))
    }
    for (const client of ours.values()) await becomes(client, roots, end.state, name)
    assert.deepEqual(await joinAndDescribe(t, url, name, roots), end.state, `${name}, joining late`)
  }
})

test('sy14_ wrong types for a root: used as text, map and array by three, it holds all of it for everyone', async (t) => {
  const server = await startServer(t)
  const name = newName()
  const writers = [await join(t, server.url, name), await join(t, server.url, name), await join(t, server.url, name)]
  const [texts, maps, arrays] = writers.map(({ doc }) => doc)
  // Again and again, so that each writes into what the others made of it.
  for (const round of ['one', 'two 😀']) {
    texts.getText('root').insert(0, round, { bold: true })
    maps.getMap('root').set('key', round)
    maps.getMap('root').set(round, new Y.Array())
    arrays.getArray('root').push([round.length, { round }, new Y.Map([['in', round]])])
    await converged(writers, { roots: {} })
  }
  texts.getText('root').delete(1, 2)
  arrays.getArray('root').delete(0, 1)
  maps.getMap('root').delete('one')
  await converged(writers, { roots: {} })

  // What Yjs makes of the three by itself.
  const alone = (type) => {
    const doc = new Y.Doc()
    for (const writer of writers) Y.applyUpdate(doc, Y.encodeStateAsUpdate(writer.doc))
    return describeState(Y, doc, { root: type })
  }
  const types = ['text', 'map', 'array', 'xml']
  for (const type of types) {
    assert.deepEqual(await joinAndDescribe(t, server.url, name, { root: type }), alone(type), `read as ${type}`)
  }
  assert.ok(alone('text').content.root.$text.length > 0 && alone('array').content.root.$array.length > 0)
  assert.equal(alone('map').content.root.$map.key, 'two 😀')
  if (isReference) return
  await server.stop('SIGKILL')
  await server.start()
  for (const type of types) {
    assert.deepEqual(await joinAndDescribe(t, server.url, name, { root: type }), alone(type), `from disk, read as ${type}`)
  }
})
