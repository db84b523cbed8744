// Older and newer clients than today's: y-websocket 2, and the pre-release of Yjs 14.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import WebSocket from 'ws'
import { converged, join, newName, synced } from './harness/clients.mjs'
import { startServer } from './harness/server.mjs'
import { until } from './harness/wait.mjs'

test('y-websocket 2 and 3 converge, and see each other', async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const old = await join(t, url, name, { version: 2 })
  const current = await join(t, url, name)
  old.text.insert(0, 'old ')
  current.doc.getMap('map').set('from', 'current')
  await converged([old, current])
  old.provider.awareness.setLocalState({ version: 2 })
  await until(() => current.provider.awareness.getStates().get(old.doc.clientID)?.version === 2, 'the current one sees the old one')
  old.provider.disconnect()
  old.text.insert(0, 'offline ')
  current.text.insert(0, 'meanwhile ')
  old.provider.connect()
  await synced(old)
  await converged([old, current])
})

const next = await Promise.all([import('@y/y'), import('@y/websocket')]).catch((error) => ({ error }))
const nextOnly = { skip: next.error && `Yjs 14 does not load here: ${next.error.message}` }

/** A client of Yjs 14, whose types are of one kind and whose packages are others. */
const joinNext = async (t, url, name) => {
  const [Y14, { WebsocketProvider }] = next
  const doc = new Y14.Doc()
  const provider = new WebsocketProvider(url, name, doc, { WebSocketPolyfill: WebSocket, disableBc: true })
  t.after(() => {
    provider.destroy()
    provider.awareness.destroy()
  })
  await synced({ provider })
  return { doc, provider }
}

test('yjs 14 and 13 edit the same text and map', nextOnly, async (t) => {
  const { url } = await startServer(t)
  const name = newName()
  const first = await joinNext(t, url, name)
  const second = await joinNext(t, url, name)
  const current = await join(t, url, name)
  const text = (client) => (client.doc.getText ?? client.doc.get).call(client.doc, 'text')
  const map = (client) => (client.doc.getMap ?? client.doc.get).call(client.doc, 'map')
  const read = (client) => text(client).toString()
  text(first).insert(0, 'fourteen 😀')
  await until(() => current.text.toString() === 'fourteen 😀' && read(second).includes('fourteen'), '13 reads 14')
  current.text.insert(0, 'thirteen and ')
  current.doc.getMap('map').set('key', { from: 13 })
  await until(() => [first, second].every((client) => read(client).includes('thirteen and fourteen')), '14 reads 13')
  text(second).delete(0, 9)
  await until(() => current.text.toString() === 'and fourteen 😀', '14 deletes')
  const value = (client) => (map(client).getAttr ?? map(client).get).call(map(client), 'key')
  await until(() => [first, second].every((client) => value(client)?.from === 13), '14 reads a map of 13')
  assert.ok(first.provider.wsconnected && second.provider.wsconnected)
})
