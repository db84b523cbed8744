import type { Editor } from '@tiptap/core'
import { beforeEach, expect, test, vi } from 'vitest'
import { say } from '../parts/toasts.tsx'
import { insertImages } from './insert-images.ts'

vi.mock('../parts/toasts.tsx', () => ({ say: vi.fn() }))

beforeEach(() => {
  vi.mocked(say).mockClear()
})

const files = [new File([], 'one.png'), new File([], 'two.png')]

/** As much of an editor as an image needs that is not inserted. */
function editor() {
  const listeners = new Set<unknown>()
  const stub = {
    isDestroyed: false,
    utils: {},
    schema: { nodes: {} },
    on: (_event: string, listener: unknown) => listeners.add(listener),
    off: (_event: string, listener: unknown) => listeners.delete(listener),
  }
  return { stub, listeners, asEditor: stub as unknown as Editor }
}

test('an image that cannot be read is told, leaves nothing behind, and the next has its turn', async () => {
  const { asEditor, listeners } = editor()
  const storeImage = vi.fn(async () => {
    throw new Error('the file has gone')
  })
  await insertImages(asEditor, files, storeImage, null)
  expect(storeImage).toHaveBeenCalledTimes(2)
  expect(vi.mocked(say)).toHaveBeenCalledWith(expect.stringContaining('could not be read'), 'problem')
  expect(listeners.size).toBe(0)
})

test('when the page has gone, the other images are not prepared', async () => {
  const { stub, asEditor, listeners } = editor()
  const storeImage = vi.fn(async () => {
    stub.isDestroyed = true
    return 'data:image/png;base64,AA=='
  })
  await insertImages(asEditor, files, storeImage, null)
  expect(storeImage).toHaveBeenCalledOnce()
  expect(listeners.size).toBe(0)
})
