import { expect, test } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { carets } from './carets.ts'

test('nothing listens before the editor is there, however often the page is drawn', () => {
  const awareness = new Awareness(new Y.Doc())
  const before = awareness._observers.get('change')?.size ?? 0
  for (let drawn = 0; drawn < 3; drawn++) carets(awareness, { name: 'Ada', color: '#0f766e' })
  expect(awareness._observers.get('change')?.size ?? 0).toBe(before)
  awareness.destroy()
})
