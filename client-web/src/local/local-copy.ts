import * as Y from 'yjs'
import { answerOf, deleteDatabase, endOf, openDatabase, UPDATES, VALUES } from './database.ts'

const LINEAGE = 'lineage'
const UNSAVED = 'unsaved'
/** Set before the copy is deleted on purpose. A browser that clears its storage sets nothing. */
const DISCARDED = 'discarded'
const WRITE_DELAY_MS = 200
/** As many updates are replaced by the state that they lead to, when nothing was written for a while. */
const UPDATES_TO_COMPACT = 500
const COMPACT_DELAY_MS = 1000
/** While a browser clears its storage it opens nothing. */
const REOPEN_DELAY_MS = 500
const REOPENINGS = 5

/** There is a copy, and this browser does not give it out. Edits that were not sent may be in it. */
export class UnreadableCopy extends Error {}

/**
 * The copy of a document that this browser keeps, with the lineage it belongs to and how many of its edits the server
 * has not confirmed. It is what makes a space open and editable without a server.
 *
 * A write that fails, or a browser that clears its storage, ends the copy; a new one is begun at once, from the document
 * in memory. Where that fails too, nothing is kept any more, and `isKept` says so.
 */
export class LocalCopy {
  readonly #name: string
  readonly #doc: Y.Doc
  readonly #onDiscarded: () => void
  readonly #listeners = new Set<() => void>()
  #database: IDBDatabase | null = null
  /** The database has all that the document has, but for what is on its way there. */
  #isWhole = false
  #isClosed = false
  #lineage: string | null = null
  #unsaved = 0
  #updates = 0
  #lastKey: IDBValidKey = 0
  #valuesTimer: ReturnType<typeof setTimeout> | null = null
  #compactTimer: ReturnType<typeof setTimeout> | null = null

  /** `onDiscarded` is called when another tab has started over: what is in memory belongs to what is gone. */
  constructor(name: string, doc: Y.Doc, onDiscarded: () => void) {
    this.#name = `confluo/${name}`
    this.#doc = doc
    this.#onDiscarded = onDiscarded
    doc.on('update', this.#onUpdate)
  }

  /** False when this browser keeps none: storage is off, a private window, a full disk. */
  get isKept(): boolean {
    return this.#isWhole
  }

  get lineage(): string | null {
    return this.#lineage
  }

  get unsaved(): number {
    return this.#unsaved
  }

  /** Told when `isKept` has changed. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Loads the copy into the document, which must be empty. Rejects with `UnreadableCopy`. */
  async open(): Promise<void> {
    const database = await this.#openDatabase()
    if (database === null) return
    try {
      const transaction = database.transaction([UPDATES, VALUES])
      const [updates, values] = [transaction.objectStore(UPDATES), transaction.objectStore(VALUES)]
      if ((await answerOf<unknown>(values.get(DISCARDED))) === true) {
        // Whoever discarded it came no further.
        this.#letGo()
        await deleteDatabase(this.#name)
        return this.open()
      }
      const kept = await answerOf<Uint8Array[]>(updates.getAll())
      const keys = await answerOf(updates.getAllKeys())
      const lineage = await answerOf<unknown>(values.get(LINEAGE))
      const unsaved = await answerOf<unknown>(values.get(UNSAVED))
      this.#apply(kept)
      this.#updates = kept.length
      this.#lastKey = keys.at(-1) ?? 0
      if (typeof lineage === 'string') this.#lineage = lineage
      if (typeof unsaved === 'number') this.#unsaved = unsaved
    } catch (error) {
      this.#letGo()
      throw new UnreadableCopy(String(error))
    }
    if (this.#database === database) this.#setWhole(true)
    else await this.#beginAnew(REOPENINGS)
  }

  keepLineage(lineage: string): void {
    this.#lineage = lineage
    this.#writeValues()
  }

  /** Written a little later, since it changes with every key. */
  keepUnsaved(count: number): void {
    if (count === this.#unsaved) return
    this.#unsaved = count
    this.#valuesTimer ??= setTimeout(() => this.#writeValues(), WRITE_DELAY_MS)
  }

  /** Deletes the copy: for a document that was reset on the server. */
  async discard(): Promise<void> {
    this.#end()
    try {
      const database = this.#database ?? (await openDatabase(this.#name))
      const transaction = database.transaction(VALUES, 'readwrite')
      transaction.objectStore(VALUES).put(true, DISCARDED)
      await endOf(transaction)
      database.close()
      await deleteDatabase(this.#name)
    } catch {
      // There is nothing to delete where nothing can be kept.
    }
  }

  close(): void {
    if (this.#valuesTimer !== null) this.#writeValues()
    this.#end()
    this.#letGo()
  }

  #end(): void {
    this.#isClosed = true
    this.#doc.off('update', this.#onUpdate)
    this.#listeners.clear()
    for (const timer of [this.#valuesTimer, this.#compactTimer]) if (timer !== null) clearTimeout(timer)
  }

  /** What was begun is still written. */
  #letGo(): void {
    this.#database?.close()
    this.#database = null
    this.#setWhole(false)
  }

  #setWhole(isWhole: boolean): void {
    if (this.#isWhole === isWhole) return
    this.#isWhole = isWhole
    for (const listener of this.#listeners) listener()
  }

  async #openDatabase(): Promise<IDBDatabase | null> {
    const database = await openDatabase(this.#name).catch(() => null)
    if (database === null) return null
    if (this.#isClosed) {
      database.close()
      return null
    }
    this.#database = database
    database.onversionchange = () => void this.#onDeletion(database)
    database.onclose = () => this.#lose(database)
    return database
  }

  async #onDeletion(database: IDBDatabase): Promise<void> {
    let isDiscarded: unknown = false
    try {
      isDiscarded = await answerOf(database.transaction(VALUES).objectStore(VALUES).get(DISCARDED))
    } catch {
      // It has been closed, and so is lost.
    }
    if (isDiscarded === true) this.#endDiscarded()
    else this.#lose(database)
  }

  #endDiscarded(): void {
    this.close()
    this.#onDiscarded()
  }

  #lose(database: IDBDatabase): void {
    if (this.#database !== database) return
    const wasWhole = this.#isWhole
    this.#letGo()
    // Otherwise the one that was begun has failed, and so would the next.
    if (wasWhole) void this.#beginAnew(REOPENINGS)
  }

  /** All that the document has goes into a database of now: a new one, or what is left of the old one. */
  async #beginAnew(attempts: number): Promise<void> {
    if (this.#isClosed) return
    const database = await this.#openDatabase()
    if (database === null) {
      if (attempts > 1) setTimeout(() => void this.#beginAnew(attempts - 1), REOPEN_DELAY_MS)
      return
    }
    this.#lastKey = 0
    try {
      const transaction = database.transaction([UPDATES, VALUES], 'readwrite')
      await Promise.all([endOf(transaction), this.#putAll(transaction)])
    } catch {
      return this.#lose(database)
    }
    if (this.#database === database) this.#setWhole(true)
  }

  async #putAll(transaction: IDBTransaction): Promise<void> {
    const values = transaction.objectStore(VALUES)
    if ((await answerOf<unknown>(values.get(DISCARDED))) === true) return this.#endDiscarded()
    const lineage = await answerOf<unknown>(values.get(LINEAGE))
    if (typeof lineage === 'string' && this.#lineage !== null && lineage !== this.#lineage)
      throw new Error('another tab keeps another document here')
    transaction.objectStore(UPDATES).add(Y.encodeStateAsUpdate(this.#doc))
    this.#putValues(transaction)
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this) return
    this.#write((transaction) => transaction.objectStore(UPDATES).add(update))
    if (++this.#updates < UPDATES_TO_COMPACT) return
    if (this.#compactTimer !== null) clearTimeout(this.#compactTimer)
    this.#compactTimer = setTimeout(() => void this.#compact(), COMPACT_DELAY_MS)
  }

  #writeValues(): void {
    if (this.#valuesTimer !== null) clearTimeout(this.#valuesTimer)
    this.#valuesTimer = null
    this.#write((transaction) => this.#putValues(transaction))
  }

  #putValues(transaction: IDBTransaction): void {
    const values = transaction.objectStore(VALUES)
    if (this.#lineage !== null) values.put(this.#lineage, LINEAGE)
    values.put(this.#unsaved, UNSAVED)
  }

  /** Never throws: from within Yjs's own clean-up, that would make the document deaf to every later edit. */
  #write(put: (transaction: IDBTransaction) => void): void {
    const database = this.#database
    if (database === null) return
    try {
      const transaction = database.transaction([UPDATES, VALUES], 'readwrite')
      transaction.onabort = () => this.#lose(database)
      put(transaction)
    } catch {
      this.#lose(database)
    }
  }

  /** Takes in what other tabs have written, so that nothing is lost by it. */
  async #compact(): Promise<void> {
    const database = this.#database
    if (database === null) return
    try {
      const transaction = database.transaction(UPDATES, 'readwrite')
      await Promise.all([endOf(transaction), this.#replaceUpdates(transaction.objectStore(UPDATES))])
    } catch {
      this.#lose(database)
    }
  }

  async #replaceUpdates(store: IDBObjectStore): Promise<void> {
    const updates = await answerOf<Uint8Array[]>(store.getAll(IDBKeyRange.lowerBound(this.#lastKey, true)))
    const lastKey = (await answerOf(store.getAllKeys())).at(-1)
    if (lastKey === undefined) return
    this.#apply(updates)
    store.add(Y.encodeStateAsUpdate(this.#doc))
    store.delete(IDBKeyRange.upperBound(lastKey))
    this.#lastKey = lastKey
    this.#updates = 1
  }

  #apply(updates: readonly Uint8Array[]): void {
    const apply = (): void => {
      for (const update of updates) Y.applyUpdate(this.#doc, update)
    }
    Y.transact(this.#doc, apply, this, false)
  }
}
