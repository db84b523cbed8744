// Stock clients. BroadcastChannel is always off: with it two providers of one process converge with no server at all.
import { setMaxListeners } from 'node:events'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import { WebsocketProvider as WebsocketProvider2 } from 'y-websocket-2'
import * as Y from 'yjs'
import { describeState, sortedJson } from '../../../fixtures/make/describe.mjs'
import { until } from './wait.mjs'

// Every provider listens for the end of the process.
setMaxListeners(0, process)

export const allRoots = { text: 'text', map: 'map', array: 'array', xml: 'xml' }

let documents = 0

/** A name that no other test uses. */
export const newName = () => `document-${process.pid}-${++documents}`

/** A stock client: `{ doc, provider, text }`. `version` is that of y-websocket. */
export const connect = (t, url, name, { doc = new Y.Doc(), version = 3, ...options } = {}) => {
  const Provider = version === 2 ? WebsocketProvider2 : WebsocketProvider
  const provider = new Provider(url, name, doc, { WebSocketPolyfill: WebSocket, disableBc: true, ...options })
  // A refused connection while a server restarts is reported as an event, and is no error of the test.
  provider.on('connection-error', () => {})
  t.after(() => {
    provider.destroy()
    provider.awareness.destroy()
    doc.destroy()
  })
  return { doc, provider, get text () { return doc.getText('text') } }
}

export const synced = (client, options) => until(() => client.provider.synced, 'the client is in sync', options)

/** A stock client that is in sync. */
export const join = async (t, url, name, options) => {
  const client = connect(t, url, name, options)
  await synced(client)
  return client
}

/** Waits until all documents are equal in content, state vector and delete set; fails if they never are. */
export const converged = async (clients, { within, roots = allRoots } = {}) => {
  const states = () => clients.map(({ doc }) => sortedJson(describeState(Y, doc, roots)))
  const areEqual = () => {
    const [first, ...others] = states()
    return others.every((other) => other === first)
  }
  const detail = () => states().map((state) => `\n  ${state.slice(0, 400)}`).join('')
  await until(areEqual, 'all documents are equal', { within, detail })
}

/** The content of a document as it is read by someone who joins now. */
export const joinAndDescribe = async (t, url, name, roots) => {
  const { doc } = await join(t, url, name)
  return describeState(Y, doc, roots)
}
