import { expect, test } from 'vitest'
import { withNewIds } from './new-ids.ts'

test('everything that names an element follows it to its new id', () => {
  let count = 0
  const renamed = withNewIds(
    [
      {
        id: 'box',
        groupIds: ['g'],
        boundElements: [
          { id: 'arrow', type: 'arrow' },
          { id: 'gone', type: 'text' },
        ],
      },
      {
        id: 'arrow',
        groupIds: ['g'],
        startBinding: { elementId: 'box', gap: 1 },
        endBinding: { elementId: 'gone', gap: 2 },
      },
      { id: 'label', groupIds: [], containerId: 'box', frameId: null },
    ],
    () => `n${++count}`,
  )
  expect(renamed).toEqual([
    { id: 'n1', groupIds: ['n4'], boundElements: [{ id: 'n2', type: 'arrow' }] },
    { id: 'n2', groupIds: ['n4'], startBinding: { elementId: 'n1', gap: 1 }, endBinding: null },
    { id: 'n3', groupIds: [], containerId: 'n1', frameId: null },
  ])
})
