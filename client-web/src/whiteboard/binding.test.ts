import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { Space, type StoredFile } from '../model/space.ts'
import { Board, carry, settle } from './board.fixture.ts'

test('what is drawn on one board is seen on the other', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('a', { x: 5 })
  settle(one, other)
  expect(other.shape('a')).toMatchObject({ x: 5, strokeColor: '#000000', isDeleted: false })
})

test('a board opened later shows what is there', () => {
  const one = new Board()
  one.draw('a')
  one.schedule.pass()
  const late = new Board(one.space)
  expect(late.shapes.map((shape) => shape.id)).toEqual(['a'])
})

test('one person moves an element while another paints it: both stay', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('a')
  settle(one, other)
  one.change('a', { x: 100, y: 50 })
  other.change('a', { strokeColor: '#ff0000' })
  settle(one, other)
  for (const board of [one, other])
    expect(board.shape('a')).toMatchObject({ x: 100, y: 50, strokeColor: '#ff0000' })
})

test('two arrows attached to one element at once both stay attached', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('a')
  settle(one, other)
  one.change('a', { boundElements: [{ id: 'left', type: 'arrow' }] })
  other.change('a', { boundElements: [{ id: 'right', type: 'arrow' }] })
  settle(one, other)
  expect(one.shape('a').boundElements).toEqual([
    { id: 'left', type: 'arrow' },
    { id: 'right', type: 'arrow' },
  ])
  expect(other.visible()).toEqual(one.visible())
})

test('deleting removes the entry, and undoing the deletion brings everything back', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('a', { x: 3 })
  settle(one, other)
  one.change('a', { isDeleted: true })
  settle(one, other)
  expect(one.space.board.size).toBe(0)
  expect(other.shape('a').isDeleted).toBe(true)
  one.change('a', { isDeleted: false })
  settle(one, other)
  expect(other.shape('a')).toMatchObject({ x: 3, isDeleted: false })
})

test('elements inserted at the same place at once are drawn in the same order everywhere', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('z')
  other.draw('b')
  settle(one, other)
  expect(one.shapes.map((shape) => shape.id)).toEqual(['b', 'z'])
  expect(other.visible()).toEqual(one.visible())
})

test('an element under somebody’s pen is not replaced until it is let go', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('a')
  settle(one, other)
  const underPen = other.shape('a')
  other.held = 'a'
  one.change('a', { strokeColor: '#00ff00' })
  settle(one, other)
  expect(other.shape('a')).toBe(underPen)
  other.held = null
  other.changed()
  settle(one, other)
  expect(other.shape('a').strokeColor).toBe('#00ff00')
})

test('what somebody paints while I drag it is not painted back by my drag', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('a')
  settle(one, other)
  other.change('a', { strokeColor: '#ff0000' })
  other.schedule.pass()
  // My frame is noticed, not yet written, when the paint arrives.
  one.change('a', { x: 40 })
  carry(other, one)
  one.change('a', { x: 41 })
  settle(one, other)
  for (const board of [one, other]) expect(board.shape('a')).toMatchObject({ x: 41, strokeColor: '#ff0000' })
})

test('what somebody paints while I resize it comes when I let go, and is not painted back before', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('a')
  settle(one, other)
  one.held = 'a'
  other.change('a', { strokeColor: '#ff0000', opacity: 50 })
  settle(one, other)
  for (let width = 20; width < 30; width++) {
    one.change('a', { width })
    settle(one, other)
  }
  expect(one.shape('a')).toMatchObject({ width: 29, strokeColor: '#000000' })
  expect(other.shape('a')).toMatchObject({ width: 29, strokeColor: '#ff0000', opacity: 50 })
  one.held = null
  one.changed()
  settle(one, other)
  expect(one.shape('a')).toMatchObject({ width: 29, strokeColor: '#ff0000', opacity: 50 })
})

test('an arrow that somebody attaches while I drag the element stays attached', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('a')
  settle(one, other)
  other.change('a', { boundElements: [{ id: 'arrow', type: 'arrow' }] })
  other.schedule.pass()
  one.change('a', { x: 40 })
  carry(other, one)
  settle(one, other)
  for (const board of [one, other])
    expect(board.shape('a')).toMatchObject({ x: 40, boundElements: [{ id: 'arrow', type: 'arrow' }] })
})

test('what somebody deletes while I drag it is gone, in whichever order it arrives', () => {
  for (const isWrittenFirst of [true, false]) {
    const [one, other] = [new Board(), new Board()]
    one.draw('a')
    settle(one, other)
    one.change('a', { x: 40 })
    if (isWrittenFirst) one.schedule.pass()
    other.change('a', { isDeleted: true })
    other.schedule.pass()
    carry(other, one)
    settle(one, other)
    for (const board of [one, other]) {
      expect(board.shape('a').isDeleted).toBe(true)
      expect(board.space.board.size).toBe(0)
    }
    one.change('a', { isDeleted: false })
    settle(one, other)
    expect(other.shape('a').isDeleted, 'and one’s own undo brings it back').toBe(false)
  }
})

test('a drag of many frames writes one key, and is small', () => {
  const board = new Board()
  board.draw('a')
  board.schedule.pass()
  const before = Y.encodeStateAsUpdate(board.space.doc).length
  for (let x = 1; x <= 500; x++) {
    board.change('a', { x })
    board.schedule.pass()
  }
  expect(Y.encodeStateAsUpdate(board.space.doc).length - before).toBeLessThan(60)
})

test('what was shown from others is not written back', () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('a')
  settle(one, other)
  let updates = 0
  other.space.doc.on('update', () => updates++)
  other.changed()
  other.schedule.pass()
  expect(updates).toBe(0)
})

test('a reader’s board writes nothing', () => {
  const board = new Board()
  board.binding.readOnly = true
  board.draw('a')
  board.schedule.pass()
  expect(board.space.board.size).toBe(0)
})

test('entries and files that other programs broke are left out', () => {
  const space = new Space()
  space.board.set('no-place', new Y.Map([['type', 'rectangle']]))
  space.board.set(
    'odd',
    new Y.Map<unknown>([
      ['type', 'rectangle'],
      ['place', 'here'],
      ['form', 7],
    ]),
  )
  space.files.set('tracker', {
    mimeType: 'image/png',
    dataURL: 'https://elsewhere.example/x.png',
    created: 1,
  })
  space.files.set('good', { mimeType: 'image/png', dataURL: 'data:image/png;base64,AA==', created: 1 })
  const board = new Board(space)
  expect(board.shapes).toEqual([])
  expect(board.files).toEqual(['good'])
})

/** A file of the board that the test gives when it likes, or refuses. */
function preparing(board: Board, id: string) {
  let settle: (file: StoredFile | null) => void = () => {}
  board.files.push(id)
  const done = board.binding.keepFile(
    id,
    new Promise((resolve) => {
      settle = resolve
    }),
  )
  return {
    give(file: StoredFile | null): Promise<void> {
      settle(file)
      return done
    },
  }
}

const picture: StoredFile = { mimeType: 'image/png', dataURL: 'data:image/png;base64,AA==', created: 1 }

test('an image is in the document with its file and not before, and counts as an edit until then', async () => {
  const [one, other] = [new Board(), new Board()]
  one.draw('photo', { type: 'image', fileId: null })
  settle(one, other)
  const file = preparing(one, 'sky')
  one.change('photo', { fileId: 'sky' })
  settle(one, other)
  expect(other.space.board.size).toBe(0)
  expect(one.editsUnderWay).toBe(1)
  await file.give(picture)
  expect(one.editsUnderWay).toBe(0)
  settle(one, other)
  expect(other.shape('photo')).toMatchObject({ fileId: 'sky' })
  expect(other.files).toEqual(['sky'])
})

test('an image that is not ready when its board goes is kept all the same', async () => {
  const board = new Board()
  const file = preparing(board, 'sky')
  board.draw('photo', { type: 'image', fileId: 'sky' })
  board.binding.destroy()
  expect(board.space.board.size).toBe(0)
  expect(board.editsUnderWay).toBe(1)
  await file.give(picture)
  expect([...board.space.files.keys(), ...board.space.board.keys()]).toEqual(['sky', 'photo'])
  expect(board.editsUnderWay).toBe(0)
})

test('an image that was never begun is not waited for when its board goes', () => {
  const board = new Board()
  board.draw('photo', { type: 'image', fileId: null })
  board.schedule.pass()
  expect(board.binding.isWaiting).toBe(true)
  board.binding.destroy()
  expect(board.binding.isWaiting).toBe(false)
})

test('an image that was refused is taken off the board, every time', async () => {
  const board = new Board()
  const file = preparing(board, 'huge')
  board.draw('photo', { type: 'image', fileId: 'huge' })
  await file.give(null)
  board.schedule.pass()
  expect(board.shape('photo').isDeleted).toBe(true)
  board.draw('again', { type: 'image', fileId: 'huge' })
  board.schedule.pass()
  board.schedule.pass()
  expect(board.shape('again').isDeleted).toBe(true)
  expect(board.space.board.size).toBe(0)
  expect(board.editsUnderWay).toBe(0)
})

test('an image whose file somebody else brings first is written with that', () => {
  const [one, other] = [new Board(), new Board()]
  one.files.push('sky')
  one.draw('photo', { type: 'image', fileId: 'sky' })
  one.schedule.pass()
  expect(one.space.board.size).toBe(0)
  other.space.files.set('sky', picture)
  settle(one, other)
  expect(other.shape('photo')).toMatchObject({ fileId: 'sky' })
})

test('a stroke that waits to be written counts as an edit', () => {
  const board = new Board()
  board.draw('a')
  expect(board.editsUnderWay).toBe(1)
  board.schedule.pass()
  expect(board.editsUnderWay).toBe(0)
})

test('what was drawn before a board becomes a reader’s is written', () => {
  const board = new Board()
  board.draw('a')
  board.binding.readOnly = true
  expect([...board.space.board.keys()]).toEqual(['a'])
})
