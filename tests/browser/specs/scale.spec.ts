import { newSpace } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

const ELEMENTS = 1000

interface ProfileNode {
  id: number
  callFrame: { url: string; functionName: string }
  children?: number[]
}

interface Profile {
  nodes: ProfileNode[]
  samples: number[]
  timeDeltas: number[]
}

/** Milliseconds spent in our own code and in what it calls, Excalidraw's and React's own time left out. */
function ownMilliseconds(profile: Profile): number {
  const isOwn = (url: string): boolean => /\/assets\/(board|SpacePage)-/.test(url)
  const isForeign = (url: string): boolean => /\/assets\/(Whiteboard|index)-/.test(url)
  const owner = new Map<number, boolean>()
  const byId = new Map(profile.nodes.map((node) => [node.id, node]))
  const visit = (id: number, isInherited: boolean): void => {
    const node = byId.get(id)
    if (node === undefined) return
    const { url } = node.callFrame
    const isOurs = isOwn(url) || (isInherited && !isForeign(url))
    owner.set(id, isOurs)
    for (const child of node.children ?? []) visit(child, isOurs)
  }
  const root = profile.nodes[0]
  if (root !== undefined) visit(root.id, false)
  const microseconds = profile.samples.reduce(
    (sum, id, at) => sum + (owner.get(id) === true ? (profile.timeDeltas[at] ?? 0) : 0),
    0,
  )
  return microseconds / 1000
}

function drawing(): Buffer {
  const elements = Array.from({ length: ELEMENTS }, (_, at) => ({
    id: `e${at}`,
    type: 'rectangle',
    x: (at % 40) * 60,
    y: Math.floor(at / 40) * 60,
    width: 40,
    height: 40,
    angle: 0,
    strokeColor: '#14312f',
    backgroundColor: '#cfeae4',
    fillStyle: 'solid',
    strokeWidth: 1,
    strokeStyle: 'solid',
    roughness: 0,
    opacity: 100,
    groupIds: [],
    frameId: null,
    roundness: null,
    seed: at + 1,
    version: 1,
    versionNonce: 1,
    isDeleted: false,
    boundElements: null,
    updated: 1,
    link: null,
    locked: false,
  }))
  return Buffer.from(JSON.stringify({ type: 'excalidraw', version: 2, source: 'test', elements, appState: {}, files: {} }))
}

test('with 1,000 elements, one is dragged, everybody sees it, and what a frame costs our own code is told', async ({ server, arrive }, info) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.page.keyboard.press('Alt+3')
  await ada.page
    .locator('header input[type=file]')
    .setInputFiles({ name: 'many.excalidraw', mimeType: 'application/json', buffer: drawing() })
  await expect.poll(() => ben.countElements(space)).toBe(ELEMENTS)
  await ada.isSaved()

  const box = await ada.box(ada.canvas)
  const start = { x: box.x + box.width / 2, y: box.y + box.height / 2 }
  const before = JSON.stringify(await ada.board(space))
  await ada.useBoard()
  const session = await ada.page.context().newCDPSession(ada.page)
  await session.send('Profiler.enable')
  await session.send('Profiler.setSamplingInterval', { interval: 200 })
  // A dense grid: close to the middle there is an element; it is found by trying.
  let isGrabbed = false
  for (let step = 0; step < 12 && !isGrabbed; step++) {
    const at = { x: start.x + step * 7, y: start.y + step * 5 }
    await ada.page.mouse.move(at.x, at.y)
    await ada.page.mouse.down()
    await ada.page.mouse.move(at.x + 30, at.y + 30, { steps: 3 })
    await ada.page.mouse.up()
    await ada.page.keyboard.press('Escape')
    isGrabbed = JSON.stringify(await ada.board(space)) !== before
    if (isGrabbed) {
      await ada.page.mouse.move(at.x + 30, at.y + 30)
      await ada.page.mouse.down()
    }
  }
  expect(isGrabbed).toBe(true)
  await session.send('Profiler.start')
  const frames = await ada.page.evaluate(() => {
    const count = { frames: 0, isRunning: true }
    Object.assign(window, { frameCount: count })
    const tick = (): void => {
      count.frames++
      if (count.isRunning) requestAnimationFrame(tick)
    }
    requestAnimationFrame(tick)
    return count.frames
  })
  expect(frames).toBe(0)
  await ada.page.mouse.move(start.x - 200, start.y - 100, { steps: 120 })
  const { profile } = await session.send('Profiler.stop')
  const drawn = await ada.page.evaluate(() => {
    const count = (window as unknown as { frameCount: { frames: number; isRunning: boolean } }).frameCount
    count.isRunning = false
    return count.frames
  })
  await ada.page.mouse.up()
  const spent = ownMilliseconds(profile as Profile)
  // How much depends on the machine; none at all means that the files of our own code are not found in the profile.
  expect(spent).toBeGreaterThan(0)
  expect(drawn).toBeGreaterThan(0)
  const cost = spent / drawn
  info.annotations.push({ type: 'own code per frame', description: `${cost.toFixed(2)} ms over ${drawn} frames` })
  console.log(`own code: ${cost.toFixed(2)} ms a frame, over ${drawn} frames with ${ELEMENTS} elements`)
  await expect(async () => {
    expect(await ben.board(space)).toEqual(await ada.board(space))
  }).toPass({ timeout: 20_000 })
})
