import { fileURLToPath } from 'node:url'
import { newSpace, type Person } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

/** `npm run screenshots` renews the pictures of the documentation; a test run leaves them alone. */
const FOLDER = process.env.KEEP_SCREENSHOTS
  ? fileURLToPath(new URL('../../../docs/screenshots/', import.meta.url))
  : null

async function take(person: Person, name: string): Promise<void> {
  await person.page.evaluate(() => document.fonts.ready.then(() => undefined))
  const path = FOLDER === null ? test.info().outputPath(`${name}.png`) : `${FOLDER}${name}.png`
  await person.page.screenshot({ path })
}

/** A small plan, as two people would have made it. */
async function furnish(ada: Person, ben: Person): Promise<void> {
  await ada.title.fill('Weir gauge, spring plan')
  await ada.text.focus()
  await ada.page.keyboard.type('# What we know\n')
  await ada.page.keyboard.type('The level rose **14 cm** since Monday, and the pump ran twice.\n')
  await ada.page.keyboard.type('## Next\n')
  await ada.page.keyboard.type('[ ] Read the gauge at the weir\nCall Ines about the pump\nSend the March curve\n\n')
  await ada.page.keyboard.type('## The alarm\n')
  await ada.page.keyboard.type('```rust\nif level > threshold {\n    notify(&crew, level);\n}')
  await ada.text.locator('input[type=checkbox]').first().check()
  await expect(ben.text).toContainText('notify')

  const picker = ada.page.locator('header input[type=file]')
  await picker.setInputFiles({ name: 'plan.excalidraw', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(plan())) })
  const added = ada.page.getByText('Added what plan.excalidraw holds.')
  await expect(added).toBeVisible()
  await expect(added).toBeHidden()
  await ada.text.getByText('The level rose').click()
  await ben.text.getByText('Call Ines about the pump', { exact: true }).click()
  await ben.page.keyboard.press('End')
}

function plan(): object {
  const base = {
    angle: 0,
    fillStyle: 'solid',
    strokeWidth: 2,
    strokeStyle: 'solid',
    roughness: 1,
    opacity: 100,
    groupIds: [],
    frameId: null,
    version: 1,
    versionNonce: 1,
    isDeleted: false,
    updated: 1,
    link: null,
    locked: false,
    strokeColor: '#14312f',
  }
  const box = (id: string, x: number, y: number, width: number, color: string, label: string) => [
    {
      ...base,
      id,
      type: 'rectangle',
      x,
      y,
      width,
      height: 74,
      seed: x + 7,
      backgroundColor: color,
      roundness: { type: 3 },
      boundElements: [{ id: `${id}-text`, type: 'text' }],
    },
    {
      ...base,
      id: `${id}-text`,
      type: 'text',
      x: x + 10,
      y: y + 24,
      width: width - 20,
      height: 25,
      seed: 1,
      backgroundColor: 'transparent',
      roundness: null,
      boundElements: null,
      text: label,
      originalText: label,
      fontSize: 20,
      fontFamily: 5,
      textAlign: 'center',
      verticalAlign: 'middle',
      containerId: id,
      autoResize: true,
      lineHeight: 1.25,
    },
  ]
  const arrow = (id: string, x: number, y: number, points: number[][]) => ({
    ...base,
    id,
    type: 'arrow',
    x,
    y,
    width: Math.abs(points.at(-1)?.[0] ?? 0),
    height: Math.abs(points.at(-1)?.[1] ?? 0),
    seed: x + 3,
    backgroundColor: 'transparent',
    roundness: { type: 2 },
    boundElements: null,
    points,
    lastCommittedPoint: null,
    startBinding: null,
    endBinding: null,
    startArrowhead: null,
    endArrowhead: 'arrow',
    elbowed: false,
  })
  const stream = (id: string, y: number, rise: number, color: string) => ({
    ...base,
    id,
    type: 'line',
    x: 0,
    y,
    width: 430,
    height: Math.abs(rise),
    seed: y,
    strokeColor: color,
    strokeWidth: 4,
    backgroundColor: 'transparent',
    roundness: { type: 2 },
    boundElements: null,
    points: [[0, 0], [130, rise * 0.15], [260, rise * 0.85], [430, rise]],
    lastCommittedPoint: null,
    startBinding: null,
    endBinding: null,
    startArrowhead: null,
    endArrowhead: null,
  })
  const elements = [
    ...box('gauge', 0, 0, 130, '#cfeae4', 'Gauge'),
    ...box('server', 200, 0, 130, '#fbe6cf', 'Server'),
    ...box('crew', 200, 150, 130, '#f6dfa8', 'Crew'),
    arrow('a1', 136, 37, [[0, 0], [58, 0]]),
    arrow('a2', 265, 80, [[0, 0], [0, 62]]),
    stream('s1', 290, 50, '#0d6b66'),
    stream('s2', 410, -50, '#c98f3c'),
  ]
  return { type: 'excalidraw', version: 2, source: 'confluo', elements, appState: {}, files: {} }
}

test('pictures of home, a space, a phone, the dark theme and offline', async ({ network, arrive }) => {
  const url = `${network.url}/s/${newSpace()}`
  const [ada, ben] = [await arrive('Ada Marsh'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(url)
  await furnish(ada, ben)
  const { x, y } = await ben.middle()
  await ben.page.mouse.move(x, y - 30)
  await ben.page.mouse.move(x + 20, y - 20, { steps: 4 })
  await ada.useBoard()
  await ada.isSaved()
  await take(ada, 'space')

  const night = await arrive('Cleo', { colorScheme: 'dark' })
  await night.open(url)
  await expect(night.text).toContainText('notify')
  await night.isSaved()
  await take(night, 'space-dark')

  const phone = await arrive('Dan', { viewport: { width: 375, height: 760 }, deviceScaleFactor: 2, hasTouch: true })
  await phone.page.goto(url)
  await expect(phone.text).toContainText('notify')
  await phone.isSaved()
  await take(phone, 'phone-page')
  await phone.page.getByRole('button', { name: 'Board' }).click()
  await expect(phone.canvas).toBeVisible()
  await take(phone, 'phone-board')

  network.cut()
  await ada.writeLine('Written on the way back, without a network.')
  await expect(ada.status).toContainText('kept here')
  await take(ada, 'offline')
  network.mend()

  const home = await arrive('Eve')
  await home.page.goto(network.url)
  await expect(home.page.getByRole('button', { name: 'New space' })).toBeVisible()
  await take(home, 'home')
  const homeByNight = await arrive('Eve', { colorScheme: 'dark' })
  await homeByNight.page.goto(network.url)
  await expect(homeByNight.page.getByRole('button', { name: 'New space' })).toBeVisible()
  await take(homeByNight, 'home-dark')
})
