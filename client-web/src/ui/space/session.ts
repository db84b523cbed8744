import { Awareness } from 'y-protocols/awareness'
import { type LocalCopy, openLocalCopy } from '../../local/local-copy.ts'
import { Space } from '../../model/space.ts'
import type { SpaceName } from '../../model/space-name.ts'
import { ConfluoSync } from '../../sync/index.ts'
import { tokenSource, watchLink } from './token-from-link.ts'

/** An open space: its document, who is there, what this browser keeps of it, and the way to the server. */
export interface SpaceSession {
  name: SpaceName
  space: Space
  awareness: Awareness
  sync: ConfluoSync
  /** Null when this browser keeps nothing: then edits live in this tab until they reach the server. */
  localCopy: LocalCopy | null
}

/**
 * Opens a space. The local copy loads first: it shows at once, and its lineage must be known before the server is
 * asked to merge with it.
 */
export async function openSession(name: SpaceName, signal: AbortSignal): Promise<SpaceSession | null> {
  const space = new Space()
  const awareness = new Awareness(space.doc)
  let session: SpaceSession | null = null
  const localCopy = await openLocalCopy(name, space.doc, (ending) => {
    // What is in this tab's memory belongs to the discarded copy as well.
    if (ending === 'discarded') window.location.reload()
    else if (session !== null) session.localCopy = null
  })
  if (signal.aborted) {
    await localCopy?.close()
    awareness.destroy()
    return null
  }
  const sync = new ConfluoSync({
    serverUrl: syncUrl(),
    document: name,
    doc: space.doc,
    awareness,
    lineage: localCopy?.lineage ?? null,
    onLineage: (lineage) => localCopy?.keepLineage(lineage),
    unsaved: localCopy?.unsaved ?? 0,
    token: tokenSource(name),
  })
  sync.subscribe(() => localCopy?.keepUnsaved(sync.unsaved))
  sync.setNetwork(navigator.onLine)
  const onNetwork = (): void => sync.setNetwork(navigator.onLine)
  const onVisible = (): void => {
    if (!document.hidden && sync.status.kind === 'reconnecting') sync.reconnectNow()
  }
  watchLink(name, (token) => sync.useToken(token), signal)
  window.addEventListener('online', onNetwork)
  window.addEventListener('offline', onNetwork)
  document.addEventListener('visibilitychange', onVisible)
  signal.addEventListener('abort', () => {
    window.removeEventListener('online', onNetwork)
    window.removeEventListener('offline', onNetwork)
    document.removeEventListener('visibilitychange', onVisible)
    awareness.destroy()
    void sync.written().then(() => {
      sync.destroy()
      void localCopy?.close()
    })
  })
  sync.connect()
  session = { name, space, awareness, sync, localCopy }
  return session
}

function syncUrl(): string {
  const { protocol, host } = window.location
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/sync`
}
