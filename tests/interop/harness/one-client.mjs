// A client in a process of its own: `node one-client.mjs <server> <document>`. Prints its client id when it is in sync.
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const [url, name] = process.argv.slice(2)
const doc = new Y.Doc()
const provider = new WebsocketProvider(url, name, doc, { WebSocketPolyfill: WebSocket, disableBc: true })
provider.awareness.setLocalState({ alive: true })
provider.once('sync', () => console.log(doc.clientID))
