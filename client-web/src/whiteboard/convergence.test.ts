import { expect, test } from 'vitest'
import { Board, carry, settle } from './board.fixture.ts'
import { compareOrder } from './facets.ts'

test.each(Array.from({ length: 60 }, (_, seed) => seed))(
  'random edits by four people converge and lose nothing (seed %i)',
  (seed) => {
    const random = generator(seed)
    const below = (limit: number): number => Math.floor(random() * limit)
    const boards = Array.from({ length: 4 }, () => new Board())
    const drawn = new Set<string>()
    const deleted = new Set<string>()
    for (let step = 0; step < 120; step++) {
      const board = boards[below(boards.length)] as Board
      const alive = board.shapes.filter((shape) => !shape.isDeleted)
      const shape = alive[below(alive.length)]
      const action = below(10)
      if (action < 3 || shape === undefined) {
        const id = `e${seed}-${step}`
        board.draw(id, { index: `a${below(4)}`, x: below(100) })
        drawn.add(id)
      } else if (action < 6) board.change(shape.id, { x: below(1000), y: below(1000) })
      else if (action < 7) board.change(shape.id, { strokeColor: `#${below(1_000_000)}` })
      else if (action < 8) board.change(shape.id, { width: below(90) + 1, height: below(90) + 1 })
      else if (action < 9) board.change(shape.id, { index: `a${below(6)}` })
      else {
        board.change(shape.id, { isDeleted: true })
        deleted.add(shape.id)
      }
      if (below(4) === 0) board.schedule.pass()
      if (below(4) === 0) carry(board, boards[below(boards.length)] as Board)
      if (below(6) === 0) board.held = shape?.id ?? null
      if (below(9) === 0) settle(board, boards[below(boards.length)] as Board)
    }
    for (const board of boards) {
      board.held = null
      board.changed()
    }
    settle(...boards)
    const [first, ...others] = boards as [Board, ...Board[]]
    for (const other of others) {
      expect([...other.visible()].sort(byId)).toEqual([...first.visible()].sort(byId))
      expect(other.space.board.toJSON()).toEqual(first.space.board.toJSON())
    }
    const kept = new Set(first.space.board.keys())
    for (const id of drawn) if (!deleted.has(id)) expect(kept, id).toContain(id)
    const fromDocument = new Board(first.space).shapes.map((shape) => shape.id)
    for (const board of boards) {
      const order = board.shapes.filter((shape) => !shape.isDeleted).sort(compareOrder)
      expect(order.map((shape) => shape.id)).toEqual(fromDocument)
    }
  },
)

test.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'four people who each change a property of their own at once all keep every last change (seed %i)',
  (seed) => {
    const random = generator(seed + 1000)
    const below = (limit: number): number => Math.floor(random() * limit)
    const properties = ['x', 'strokeColor', 'opacity', 'width'] as const
    const boards = properties.map(() => new Board())
    const [first] = boards as [Board]
    const ids = ['a', 'b', 'c']
    for (const id of ids) first.draw(id)
    settle(...boards)
    const last = new Map<string, object>()
    for (let step = 1; step <= 150; step++) {
      const at = below(boards.length)
      const board = boards[at] as Board
      const id = ids[below(ids.length)] as string
      const property = properties[at] as string
      const value = property === 'strokeColor' ? `#${step}` : step
      board.change(id, { [property]: value })
      last.set(id, { ...last.get(id), [property]: value })
      if (below(3) === 0) (boards[below(boards.length)] as Board).schedule.pass()
      if (below(2) === 0) carry(board, boards[below(boards.length)] as Board)
      if (below(5) === 0) board.held = below(2) === 0 ? id : null
    }
    for (const board of boards) {
      board.held = null
      board.changed()
    }
    settle(...boards)
    for (const board of boards)
      for (const id of ids) expect(board.shape(id)).toMatchObject(last.get(id) ?? {})
  },
)

function byId(one: unknown, other: unknown): number {
  return String((one as [string])[0]) < String((other as [string])[0]) ? -1 : 1
}

/** mulberry32: the same numbers for the same seed. */
function generator(seed: number): () => number {
  let state = seed * 2654435769 + 1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
