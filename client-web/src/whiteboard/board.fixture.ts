/** A board without a screen, and what carries changes between boards: for the tests of the binding. */

import * as Y from 'yjs'
import { Space } from '../model/space.ts'
import { BoardBinding, type Scene, type Schedule } from './binding.ts'
import { type BoardElement, toFacets } from './facets.ts'

export type Shape = BoardElement & Record<string, unknown>

/** Runs nothing by itself: the test says when time passes. */
class ManualSchedule implements Schedule {
  readonly waiting = new Set<() => void>()
  afterMilliseconds(_delay: number, run: () => void): () => void {
    return this.nextFrame(run)
  }
  nextFrame(run: () => void): () => void {
    this.waiting.add(run)
    return () => this.waiting.delete(run)
  }
  pass(): void {
    for (const run of [...this.waiting]) if (this.waiting.delete(run)) run()
  }
}

/** A drawing surface without a screen, which changes elements in place as Excalidraw does. */
export class Board implements Scene {
  readonly space: Space
  readonly schedule = new ManualSchedule()
  readonly binding: BoardBinding
  readonly files: string[] = []
  /** How many edits the binding says are under way. */
  editsUnderWay = 0
  held: string | null = null
  shapes: Shape[] = []

  constructor(space: Space = new Space()) {
    this.space = space
    this.binding = new BoardBinding(space, this, this.schedule, () => {
      this.editsUnderWay++
      return () => this.editsUnderWay--
    })
  }
  elements(): readonly Shape[] {
    return this.shapes
  }
  replace(elements: readonly BoardElement[]): void {
    this.shapes = [...elements] as Shape[]
    this.binding?.sceneChanged(this.shapes)
  }
  isHeld(id: string): boolean {
    return this.held === id
  }
  addFiles(files: readonly { id: string }[]): void {
    this.files.push(...files.map((file) => file.id))
  }
  hasFile(id: string): boolean {
    return this.files.includes(id)
  }
  draw(id: string, more: object = {}): void {
    this.shapes = [...this.shapes, rectangle(id, more)]
    this.changed()
  }
  change(id: string, more: object): void {
    const shape = this.shapes.find((candidate) => candidate.id === id)
    if (shape !== undefined) Object.assign(shape, more, { version: shape.version + 1, versionNonce: 7 })
    this.changed()
  }
  changed(): void {
    this.binding.sceneChanged(this.shapes)
  }
  shape(id: string): Shape {
    const shape = this.shapes.find((candidate) => candidate.id === id)
    if (shape === undefined) throw new Error(`${id} is not on the board`)
    return shape
  }
  /** What is seen, in the order in which it is drawn. */
  visible(): unknown[] {
    return this.shapes
      .filter((shape) => !shape.isDeleted)
      .map((shape) => [shape.id, Object.fromEntries([...toFacets(shape)].sort())])
  }
}

function rectangle(id: string, more: object = {}): Shape {
  return {
    id,
    type: 'rectangle',
    x: 0,
    y: 0,
    width: 10,
    height: 10,
    angle: 0,
    strokeColor: '#000000',
    backgroundColor: 'transparent',
    groupIds: [],
    boundElements: null,
    index: 'a0',
    isDeleted: false,
    version: 1,
    versionNonce: 1,
    updated: 1,
    ...more,
  }
}

/** Carries everything everywhere until nothing is new. */
export function settle(...boards: Board[]): void {
  for (let round = 0; round < 4; round++) {
    for (const board of boards) board.schedule.pass()
    for (const from of boards) {
      for (const to of boards) {
        if (from === to) continue
        const missing = Y.encodeStateAsUpdate(from.space.doc, Y.encodeStateVector(to.space.doc))
        Y.applyUpdate(to.space.doc, missing, 'network')
      }
    }
    for (const board of boards) board.schedule.pass()
  }
}

/** Carries what `from` has written to `to`, whose board has not had a frame to show it. */
export function carry(from: Board, to: Board): void {
  const missing = Y.encodeStateAsUpdate(from.space.doc, Y.encodeStateVector(to.space.doc))
  Y.applyUpdate(to.space.doc, missing, 'network')
}
