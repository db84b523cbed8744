import { afterEach, beforeEach, vi } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { ConfluoSync, type SyncOptions } from './confluo-sync.ts'
import { FakeServer } from './fake-server.ts'

/** A new one for each test, which runs on a clock of its own. */
export let server: FakeServer
let open: ConfluoSync[] = []

beforeEach(() => {
  vi.useFakeTimers()
  server = new FakeServer()
})

afterEach(() => {
  for (const sync of open) sync.destroy()
  open = []
  vi.useRealTimers()
})

/** A client that asks the server for a connection. */
export function client(options: Partial<SyncOptions> = {}): {
  doc: Y.Doc
  sync: ConfluoSync
  type: (text: string) => void
} {
  const doc = new Y.Doc()
  const sync = new ConfluoSync({
    serverUrl: 'ws://server/sync',
    document: 'minutes',
    doc,
    awareness: new Awareness(doc),
    lineage: null,
    onLineage: () => {},
    unsaved: 0,
    tabs: false,
    WebSocketPolyfill: server.WebSocket,
    ...options,
  })
  open.push(sync)
  sync.connect()
  return { doc, sync, type: (text) => doc.getText('t').insert(0, text) }
}
