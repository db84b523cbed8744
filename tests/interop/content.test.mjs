// Every kind of content, JavaScript → server → JavaScript: unchanged but for the documented losses.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import * as Y from 'yjs'
import { describeState } from '../../fixtures/make/describe.mjs'
import { connect, join, joinAndDescribe, newName, synced } from './harness/clients.mjs'
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
