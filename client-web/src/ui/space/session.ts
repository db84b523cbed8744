import { Awareness } from 'y-protocols/awareness'
import { LocalCopy } from '../../local/local-copy.ts'
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
  localCopy: LocalCopy
  /** Gives up the document in this tab and the copy of it: for one that was reset on the server. */
  startOver(): Promise<void>
}

interface OpenSession extends SpaceSession {
  close(): void
}

/** Spaces that were left while this tab was all that had their last edits: they stay open until the server has them. */
const left = new Map<SpaceName, OpenSession>()

/**
 * Opens a space until it is left, by `signal`. The local copy loads first: it shows at once, and its lineage must be
 * known before the server is asked to merge with it. Rejects with `UnreadableCopy`, unless it goes `withoutCopy`.
 */
export async function openSession(
  name: SpaceName,
  signal: AbortSignal,
  withoutCopy = false,
): Promise<SpaceSession | null> {
  const session = comeBack(name) ?? (await begin(name, withoutCopy))
  if (signal.aborted) {
    leave(session)
    return null
  }
  watchLink(name, (token) => session.sync.useToken(token), signal)
  signal.addEventListener('abort', () => leave(session))
  return session
}

function comeBack(name: SpaceName): OpenSession | null {
  const session = left.get(name)
  if (session === undefined) return null
  left.delete(name)
  const { initial } = tokenSource(name)
  if (initial !== null) session.sync.useToken(initial)
  return session
}

function leave(session: OpenSession): void {
  const { name, awareness, sync } = session
  if (!isOnlyHere(session)) {
    session.close()
    return
  }
  left.set(name, session)
  awareness.setLocalState(null)
  void sync.written().then(() => closeIfLeft(session))
}

function closeIfLeft(session: OpenSession): void {
  if (left.get(session.name) !== session || isOnlyHere(session)) return
  left.delete(session.name)
  session.close()
}

/** Whether edits would be lost with this tab. */
function isOnlyHere({ sync, localCopy }: SpaceSession): boolean {
  return sync.isWriting || (sync.unsaved > 0 && !localCopy.isKept)
}

async function begin(name: SpaceName, withoutCopy: boolean): Promise<OpenSession> {
  const space = new Space()
  const closing = new AbortController()
  const localCopy = new LocalCopy(name, space.doc, () => {
    // What is in this tab's memory belongs to the discarded copy as well.
    closing.abort()
    window.location.reload()
  })
  if (!withoutCopy) await localCopy.open()
  const awareness = new Awareness(space.doc)
  const sync = new ConfluoSync({
    serverUrl: syncUrl(),
    document: name,
    doc: space.doc,
    awareness,
    lineage: localCopy.lineage,
    onLineage: (lineage) => localCopy.keepLineage(lineage),
    unsaved: localCopy.unsaved,
    token: tokenSource(name),
  })
  const session = {
    name,
    space,
    awareness,
    sync,
    localCopy,
    async startOver() {
      closing.abort()
      await localCopy.discard()
      window.location.reload()
    },
    close() {
      closing.abort()
      localCopy.close()
    },
  }
  sync.subscribe(() => {
    localCopy.keepUnsaved(sync.unsaved)
    closeIfLeft(session)
  })
  localCopy.subscribe(() => closeIfLeft(session))
  watchWindow(session, closing.signal)
  closing.signal.addEventListener('abort', () => {
    awareness.destroy()
    sync.destroy()
  })
  sync.connect()
  return session
}

function watchWindow(session: SpaceSession, signal: AbortSignal): void {
  const { sync } = session
  const onNetwork = (): void => sync.setNetwork(navigator.onLine)
  const onVisible = (): void => {
    if (!document.hidden && sync.status.kind === 'reconnecting') sync.reconnectNow()
  }
  onNetwork()
  window.addEventListener('online', onNetwork, { signal })
  window.addEventListener('offline', onNetwork, { signal })
  document.addEventListener('visibilitychange', onVisible, { signal })
  window.addEventListener(
    'beforeunload',
    (event) => {
      if (isOnlyHere(session)) event.preventDefault()
    },
    { signal },
  )
  let isAskedFor = false
  sync.subscribe(() => {
    const { kind } = sync.status
    const isAway = kind === 'offline' || kind === 'reconnecting' || kind === 'stopped'
    // Not sooner, because some browsers ask the person.
    if (isAskedFor || !isAway || sync.unsaved === 0) return
    isAskedFor = true
    void navigator.storage?.persist?.()
  })
}

function syncUrl(): string {
  const { protocol, host } = window.location
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/sync`
}
