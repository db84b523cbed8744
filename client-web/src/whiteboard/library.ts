import { convertToExcalidrawElements } from '@excalidraw/excalidraw'

type Skeletons = NonNullable<Parameters<typeof convertToExcalidrawElements>[0]>

const INK = '#14312f'
const base = { strokeColor: INK, strokeWidth: 2, roughness: 1, fillStyle: 'solid' } as const

const SHAPES: readonly { name: string; skeletons: Skeletons }[] = [
  {
    name: 'Sticky note',
    skeletons: [
      {
        ...base,
        type: 'rectangle',
        x: 0,
        y: 0,
        width: 180,
        height: 160,
        backgroundColor: '#f6dfa8',
        strokeColor: '#b98b3a',
        label: { text: 'Note', fontSize: 20, strokeColor: INK },
      },
    ],
  },
  {
    name: 'Step',
    skeletons: [
      {
        ...base,
        type: 'rectangle',
        x: 0,
        y: 0,
        width: 170,
        height: 70,
        backgroundColor: '#cfeae4',
        roundness: { type: 3 },
        label: { text: 'Step', fontSize: 20 },
      },
    ],
  },
  {
    name: 'Decision',
    skeletons: [
      {
        ...base,
        type: 'diamond',
        x: 0,
        y: 0,
        width: 180,
        height: 120,
        backgroundColor: '#fbe6cf',
        label: { text: 'Yes or no?', fontSize: 18 },
      },
    ],
  },
  {
    name: 'Database',
    skeletons: [
      {
        ...base,
        type: 'rectangle',
        x: 0,
        y: 20,
        width: 130,
        height: 100,
        backgroundColor: '#dfe7ee',
        groupIds: ['database'],
      },
      {
        ...base,
        type: 'ellipse',
        x: 0,
        y: 100,
        width: 130,
        height: 40,
        backgroundColor: '#dfe7ee',
        groupIds: ['database'],
      },
      {
        ...base,
        type: 'ellipse',
        x: 0,
        y: 0,
        width: 130,
        height: 40,
        backgroundColor: '#eef3f7',
        groupIds: ['database'],
      },
    ],
  },
  {
    name: 'Person',
    skeletons: [
      {
        ...base,
        type: 'ellipse',
        x: 25,
        y: 0,
        width: 40,
        height: 40,
        backgroundColor: '#cfeae4',
        groupIds: ['person'],
      },
      {
        ...base,
        type: 'line',
        x: 45,
        y: 40,
        points: [
          [0, 0],
          [0, 55],
        ],
        groupIds: ['person'],
      },
      {
        ...base,
        type: 'line',
        x: 10,
        y: 60,
        points: [
          [0, 0],
          [70, 0],
        ],
        groupIds: ['person'],
      },
      {
        ...base,
        type: 'line',
        x: 15,
        y: 130,
        points: [
          [0, 0],
          [30, -35],
          [60, 0],
        ],
        groupIds: ['person'],
      },
    ] as unknown as Skeletons,
  },
]

/** The shapes that a new library starts with. They are made here: nothing is fetched from elsewhere. */
export function loadShapes(): unknown[] {
  return SHAPES.map(({ name, skeletons }) => ({
    id: `confluo-${name.toLowerCase().replaceAll(' ', '-')}`,
    status: 'published',
    name,
    created: 1,
    elements: convertToExcalidrawElements(skeletons, { regenerateIds: true }),
  }))
}
