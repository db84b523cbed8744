import { IndexeddbPersistence } from 'y-indexeddb'
import type * as Y from 'yjs'

const LINEAGE = 'lineage'
const UNSAVED = 'unsaved'
const WRITE_DELAY_MS = 200

/**
 * The copy of a document that this browser keeps, with the lineage it belongs to and how many of its edits the server
 * has not confirmed. It is what makes a space open and editable without a server.
 */
export interface LocalCopy {
  lineage: string | null
  unsaved: number
  keepLineage(lineage: string): void
  /** Written a little later, since it changes with every key. */
  keepUnsaved(count: number): void
  /** Deletes the copy: for a document that was reset on the server. */
  discard(): Promise<void>
  close(): Promise<void>
}

/** `discarded` by another tab, or `lost`: the browser has cleared what it keeps of this site. */
export type Ending = 'discarded' | 'lost'

/**
 * Loads the local copy into `doc`; null when this browser keeps none (storage is off, or a private window).
 * `onEnding` is called when the copy has gone while it was open.
 */
export async function openLocalCopy(
  name: string,
  doc: Y.Doc,
  onEnding: (ending: Ending) => void,
): Promise<LocalCopy | null> {
  if (!(await canStore())) return null
  const store = new IndexeddbPersistence(`confluo/${name}`, doc)
  try {
    await store._db
  } catch {
    // Where it does not open, `whenSynced` would wait for ever.
    return null
  }
  await store.whenSynced
  let isClosed = false
  store.db?.addEventListener('versionchange', () => onEnding('discarded'))
  store.db?.addEventListener('close', () => {
    isClosed = true
    // It would throw at every edit, before anybody else is told of that.
    void store.destroy()
    onEnding('lost')
  })
  const [lineage, unsaved] = await Promise.all([store.get(LINEAGE), store.get(UNSAVED)])
  let timer: ReturnType<typeof setTimeout> | null = null
  let latest = typeof unsaved === 'number' ? unsaved : 0
  const write = (): void => {
    timer = null
    if (!isClosed) void store.set(UNSAVED, latest)
  }
  const finish = (): void => {
    if (timer !== null) {
      clearTimeout(timer)
      write()
    }
    isClosed = true
  }
  return {
    lineage: typeof lineage === 'string' ? lineage : null,
    unsaved: latest,
    keepLineage(value) {
      if (!isClosed) void store.set(LINEAGE, value)
    },
    keepUnsaved(count) {
      if (count === latest) return
      latest = count
      timer ??= setTimeout(write, WRITE_DELAY_MS)
    },
    async discard() {
      finish()
      await store.clearData()
    },
    async close() {
      finish()
      await store.destroy()
    },
  }
}

async function canStore(): Promise<boolean> {
  if (typeof indexedDB === 'undefined') return false
  return new Promise((resolve) => {
    try {
      // Not under `confluo/`, where every name is that of a space.
      const request = indexedDB.open('confluo-probe')
      request.onsuccess = () => {
        request.result.close()
        resolve(true)
      }
      request.onerror = () => resolve(false)
      request.onblocked = () => resolve(false)
    } catch {
      resolve(false)
    }
  })
}
