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
  /** True when it has the file, be it in the document or not. */
  hasFile(id: string): boolean
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
 * An image is written with its file, never before: whoever leaves in between would leave an empty frame to everybody.
 */
export class BoardBinding {
  readonly #space: Space
  readonly #scene: Scene
  readonly #schedule: Schedule
  readonly #beginEdit: () => () => void
  /** The version of each element that the document and the scene agree on. */
  readonly #agreed = new Map<string, number>()
  /** The facets of each element that the document and the scene last had in common. */
  readonly #common = new Map<string, Facets>()
  readonly #toWrite = new Map<string, BoardElement>()
  readonly #toShow = new Set<string>()
  /** Images that wait for their file. */
  readonly #withoutFile = new Map<string, BoardElement>()
  readonly #filesUnderWay = new Set<string>()
  readonly #refusedFiles = new Set<string>()
  /** Set while something that is drawn is not in the document. */
  #endEdit: (() => void) | null = null
  #cancelWrite: (() => void) | null = null
  #cancelShow: (() => void) | null = null
  #writeInterval = MIN_WRITE_INTERVAL_MS
  #isReadOnly = false
  #isDestroyed = false

  /** `beginEdit` is told of work that waits, and what it gives is called when that is done. */
  constructor(space: Space, scene: Scene, schedule: Schedule, beginEdit: () => () => void) {
    this.#space = space
    this.#scene = scene
    this.#schedule = schedule
    this.#beginEdit = beginEdit
    space.board.observeDeep(this.#onBoardEvents)
    space.files.observe(this.#onFilesEvent)
    for (const id of space.board.keys()) this.#toShow.add(id)
    this.showNow()
    this.#showFiles(space.files.keys())
  }

  /** True while something that is drawn is not in the document. */
  get isWaiting(): boolean {
    return this.#endEdit !== null
  }

  /** What was drawn before is still written. */
  set readOnly(isReadOnly: boolean) {
    if (isReadOnly) this.writeNow()
    this.#isReadOnly = isReadOnly
    this.#tellOfWork()
  }

  /** Tells the binding that the scene may have changed. Cheap when nothing did. */
  sceneChanged(elements: readonly BoardElement[]): void {
    this.#notice(elements)
    if (this.#toShow.size > 0) this.#planShow()
    this.#tellOfWork()
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
    if (!this.#isReadOnly) {
      let written = 0
      this.#space.doc.transact(() => {
        for (const element of elements) written += this.#write(element)
      }, this)
      this.#writeInterval = Math.min(
        MAX_WRITE_INTERVAL_MS,
        MIN_WRITE_INTERVAL_MS + written / WRITE_BYTES_PER_MS,
      )
    }
    this.#tellOfWork()
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

  /** Keeps an image of the board in the document when it is ready, also after `destroy`; null where it was refused. */
  async keepFile(id: string, ready: Promise<StoredFile | null>): Promise<void> {
    this.#filesUnderWay.add(id)
    this.#tellOfWork()
    try {
      const file = await ready
      if (file === null || this.#isReadOnly) return this.#refuseFile(id)
      this.#space.doc.transact(() => {
        if (!this.#space.files.has(id)) this.#space.files.set(id, { ...file })
        this.#writeImagesOf(id)
      }, this)
    } finally {
      this.#filesUnderWay.delete(id)
      this.#tellOfWork()
    }
  }

  destroy(): void {
    this.writeNow()
    this.#isDestroyed = true
    this.#cancelShow?.()
    this.#tellOfWork()
    this.#space.board.unobserveDeep(this.#onBoardEvents)
    this.#space.files.unobserve(this.#onFilesEvent)
  }

  #notice(elements: readonly BoardElement[]): void {
    for (const element of elements) {
      if (this.#agreed.get(element.id) === element.version) continue
      this.#agreed.set(element.id, element.version)
      // What others will never see is not left standing here.
      if (this.#isRefused(element)) this.#toShow.add(element.id)
      else this.#toWrite.set(element.id, element)
    }
  }

  #write(element: BoardElement): number {
    const { id, isDeleted } = element
    const { board } = this.#space
    const entry = board.get(id)
    const common = this.#common.get(id)
    this.#withoutFile.delete(id)
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
    if (this.#waitsForFile(element)) {
      this.#withoutFile.set(id, element)
      return 0
    }
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
    if (transaction.origin === this) return
    this.#showFiles(event.keysChanged)
    // Files are named by their content, so somebody else may have brought the very one.
    this.#space.doc.transact(() => {
      for (const id of event.keysChanged) this.#writeImagesOf(id)
    }, this)
    this.#tellOfWork()
  }

  /** An image gets the name of its file a moment after it has been drawn. */
  #waitsForFile(element: BoardElement): boolean {
    const file = fileOf(element)
    if (file === undefined) return false
    return file === null || (this.#scene.hasFile(file) && !this.#space.files.has(file))
  }

  #isRefused(element: BoardElement): boolean {
    const file = fileOf(element) ?? ''
    return this.#refusedFiles.has(file) && !this.#space.files.has(file)
  }

  #writeImagesOf(file: string): void {
    for (const image of this.#imagesWaitingFor(file)) this.#write(image)
  }

  #imagesWaitingFor(file: string): BoardElement[] {
    return [...this.#withoutFile.values()].filter((element) => fileOf(element) === file)
  }

  #refuseFile(file: string): void {
    this.writeNow()
    this.#refusedFiles.add(file)
    for (const image of this.#imagesWaitingFor(file)) {
      this.#withoutFile.delete(image.id)
      this.#toShow.add(image.id)
    }
    if (!this.#isDestroyed) this.#planShow()
  }

  #tellOfWork(): void {
    // Whose file nobody makes any more is not waited for.
    const drawn = this.#isDestroyed || this.#isReadOnly ? 0 : this.#toWrite.size + this.#withoutFile.size
    if (drawn + this.#filesUnderWay.size > 0) this.#endEdit ??= this.#beginEdit()
    else {
      this.#endEdit?.()
      this.#endEdit = null
    }
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

/** The file of an image, null before it has one; undefined for every other element. */
function fileOf(element: BoardElement): string | null | undefined {
  const { type, fileId } = element as BoardElement & { type?: unknown; fileId?: unknown }
  if (type !== 'image') return undefined
  return typeof fileId === 'string' ? fileId : null
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
