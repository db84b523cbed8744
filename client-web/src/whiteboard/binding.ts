import type * as Y from 'yjs'
import type { Space, StoredFile } from '../model/space.ts'
import {
  type BoardElement,
  compareOrder,
  type Facets,
  facetsOf,
  fromEntry,
  isSameJson,
  newEntry,
  toFacets,
  writeFacets,
} from './facets.ts'

/** The drawing surface, as the binding needs it: the real one is Excalidraw, a test's is an array. */
export interface Scene {
  /** Everything it holds, with the elements that it keeps as deleted so that undo can bring them back. */
  elements(): readonly BoardElement[]
  /** Shows `elements`, in this order, as changes of other people: not part of anyone's undo here. */
  replace(elements: readonly BoardElement[]): void
  /** True while a gesture holds on to the element: it must not be replaced under the pen. */
  isHeld(id: string): boolean
  addFiles(files: readonly (StoredFile & { id: string })[]): void
}

/** When the binding may do its work; a test runs it at once. */
export interface Schedule {
  afterMilliseconds(delay: number, run: () => void): () => void
  nextFrame(run: () => void): () => void
}

/** A drag is sent this often: more is not seen by others, and costs everyone. */
const MIN_WRITE_INTERVAL_MS = 40
/** A long pen stroke is rewritten as it grows, so what was large waits longer: about 50 kB a second. */
const WRITE_BYTES_PER_MS = 50
const MAX_WRITE_INTERVAL_MS = 1000

/**
 * Binds a scene to the space's `board` and `files`.
 *
 * Out: a changed element is noticed by its version, compared facet by facet with what scene and document last had in
 * common, and the difference written: what others changed since is no difference, so a drag never takes it back.
 * In: changed entries are collected and shown once per frame. Nothing is ever compared but what changed, so the cost
 * of a drag does not grow with the board beyond one look at each version number.
 */
export class BoardBinding {
  readonly #space: Space
  readonly #scene: Scene
  readonly #schedule: Schedule
  /** The version of each element that the document and the scene agree on. */
  readonly #agreed = new Map<string, number>()
  /** The facets of each element that the document and the scene last had in common. */
  readonly #common = new Map<string, Facets>()
  readonly #toWrite = new Map<string, BoardElement>()
  readonly #toShow = new Set<string>()
  #cancelWrite: (() => void) | null = null
  #cancelShow: (() => void) | null = null
  #writeInterval = MIN_WRITE_INTERVAL_MS
  #isReadOnly = false

  constructor(space: Space, scene: Scene, schedule: Schedule) {
    this.#space = space
    this.#scene = scene
    this.#schedule = schedule
    space.board.observeDeep(this.#onBoardEvents)
    space.files.observe(this.#onFilesEvent)
    for (const id of space.board.keys()) this.#toShow.add(id)
    this.showNow()
    this.#showFiles(space.files.keys())
  }

  set readOnly(isReadOnly: boolean) {
    this.#isReadOnly = isReadOnly
  }

  /** Tells the binding that the scene may have changed. Cheap when nothing did. */
  sceneChanged(elements: readonly BoardElement[]): void {
    this.#notice(elements)
    if (this.#toShow.size > 0) this.#planShow()
    if (this.#toWrite.size === 0 || this.#cancelWrite !== null) return
    this.#cancelWrite = this.#schedule.afterMilliseconds(this.#writeInterval, () => this.writeNow())
  }

  /** Writes what waits; for a page that is about to close, and before changes of others are shown. */
  writeNow(): void {
    this.#cancelWrite?.()
    this.#cancelWrite = null
    if (this.#toWrite.size === 0) return
    const elements = [...this.#toWrite.values()]
    this.#toWrite.clear()
    if (this.#isReadOnly) return
    let written = 0
    this.#space.doc.transact(() => {
      for (const element of elements) written += this.#write(element)
    }, this)
    this.#writeInterval = Math.min(
      MAX_WRITE_INTERVAL_MS,
      MIN_WRITE_INTERVAL_MS + written / WRITE_BYTES_PER_MS,
    )
  }

  /** Shows what others changed; what a gesture holds waits until it is let go. */
  showNow(): void {
    this.#cancelShow?.()
    this.#cancelShow = null
    if (this.#toShow.size === 0) return
    const before = this.#scene.elements()
    // The surface tells of a change when it has drawn it, and what has not been told must not be shown away.
    this.#notice(before)
    this.writeNow()
    const versions = new Map(before.map((element) => [element.id, element]))
    const changed = new Map<string, BoardElement>()
    for (const id of this.#toShow) {
      if (this.#scene.isHeld(id)) continue
      this.#toShow.delete(id)
      const element = this.#read(id, versions.get(id))
      if (element !== null) changed.set(id, element)
    }
    if (changed.size === 0) return
    for (const element of changed.values()) this.#agreed.set(element.id, element.version)
    const after = before.map((element) => changed.get(element.id) ?? element)
    for (const element of changed.values()) if (!versions.has(element.id)) after.push(element)
    this.#scene.replace(after.sort(compareOrder))
  }

  /** Keeps an image of the board in the document. */
  addFile(id: string, file: StoredFile): void {
    if (this.#isReadOnly || this.#space.files.has(id)) return
    this.#space.doc.transact(() => this.#space.files.set(id, { ...file }), this)
  }

  destroy(): void {
    this.writeNow()
    this.#cancelShow?.()
    this.#space.board.unobserveDeep(this.#onBoardEvents)
    this.#space.files.unobserve(this.#onFilesEvent)
  }

  #notice(elements: readonly BoardElement[]): void {
    for (const element of elements) {
      if (this.#agreed.get(element.id) === element.version) continue
      this.#agreed.set(element.id, element.version)
      this.#toWrite.set(element.id, element)
    }
  }

  #write(element: BoardElement): number {
    const { id, isDeleted } = element
    const { board } = this.#space
    const entry = board.get(id)
    const common = this.#common.get(id)
    if (isDeleted) {
      this.#common.delete(id)
      if (entry !== undefined) board.delete(id)
      return id.length
    }
    const facets = toFacets(element)
    if (entry !== undefined) {
      const base = common ?? facetsOf(entry)
      this.#common.set(id, base)
      return writeFacets(entry, facets, base)
    }
    // Somebody has deleted it, as is about to be shown here: the same as if it had arrived before this change.
    if (common !== undefined) return 0
    const fresh = newEntry(facets)
    board.set(id, fresh)
    this.#common.set(id, facetsOf(fresh))
    return 200
  }

  /** The element to show for `id`; null when the scene already shows it. */
  #read(id: string, shown: BoardElement | undefined): BoardElement | null {
    const entry = this.#space.board.get(id)
    const version = (shown?.version ?? 0) + 1
    if (entry === undefined) {
      this.#common.delete(id)
      if (shown === undefined || shown.isDeleted) return null
      return { ...shown, isDeleted: true, version }
    }
    const element = fromEntry(id, entry, version)
    if (element === null) return null
    this.#common.set(id, facetsOf(entry))
    const isShown =
      shown !== undefined &&
      !shown.isDeleted &&
      isSameJson(mapToJson(toFacets(shown)), mapToJson(toFacets(element)))
    return isShown ? null : element
  }

  readonly #onBoardEvents = (
    events: Y.YEvent<Y.AbstractType<unknown>>[],
    transaction: Y.Transaction,
  ): void => {
    if (transaction.origin === this) return
    for (const event of events) {
      if (event.target === (this.#space.board as Y.AbstractType<unknown>)) {
        for (const id of event.changes.keys.keys()) this.#toShow.add(id)
      } else {
        const id = event.path[0]
        if (typeof id === 'string') this.#toShow.add(id)
      }
    }
    this.#planShow()
  }

  readonly #onFilesEvent = (event: Y.YMapEvent<StoredFile>, transaction: Y.Transaction): void => {
    if (transaction.origin !== this) this.#showFiles(event.keysChanged)
  }

  #showFiles(ids: Iterable<string>): void {
    const files: (StoredFile & { id: string })[] = []
    for (const id of ids) {
      const file = this.#space.files.get(id)
      if (isStoredFile(file)) files.push({ ...file, id })
    }
    if (files.length > 0) this.#scene.addFiles(files)
  }

  #planShow(): void {
    this.#cancelShow ??= this.#schedule.nextFrame(() => this.showNow())
  }
}

/** Only images the browser shows by itself, and only as data: anything else might reach out to another host. */
function isStoredFile(value: unknown): value is StoredFile {
  if (typeof value !== 'object' || value === null) return false
  const { mimeType, dataURL } = value as Partial<StoredFile>
  return typeof mimeType === 'string' && typeof dataURL === 'string' && dataURL.startsWith('data:image/')
}

function mapToJson(facets: Map<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(facets)
}
