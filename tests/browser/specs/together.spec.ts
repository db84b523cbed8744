import { expectSamePages, newSpace, readPage } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

test('three people write, draw and name the space together', async ({ server, arrive }) => {
  const space = newSpace()
  const people = [await arrive('Ada'), await arrive('Ben'), await arrive('Cleo')] as const
  for (const person of people) await person.open(`${server.url}/s/${space}`)
  const [ada, ben, cleo] = people

  for (const person of people) {
    await person.writeLine(`${person.name}:`)
    await expectSamePages(people, [`${person.name}:`])
  }
  await Promise.all(people.map((person) => person.continueLine(`${person.name}:`, ' writes while the others write')))
  await expectSamePages(
    people,
    people.map((person) => `${person.name}: writes while the others write`),
  )

  await ada.draw('rectangle', -120, -120, -40, -60)
  await ben.draw('ellipse', 0, -120, 80, -60)
  await cleo.draw('rectangle', -60, 20, 60, 90)
  for (const person of people) await expect.poll(() => person.countElements(space)).toBe(3)
  const boards = await Promise.all(people.map((person) => person.board(space)))
  expect(boards[1]).toEqual(boards[0])
  expect(boards[2]).toEqual(boards[0])

  await ben.title.fill('Plan of the week')
  for (const person of people) await expect(person.title).toHaveValue('Plan of the week')
  for (const person of people) {
    await person.isSaved()
    expect(await person.seesDrawing()).toBe(true)
  }

  const dan = await arrive('Dan')
  await dan.open(`${server.url}/s/${space}`)
  await expect.poll(() => dan.seesDrawing(), { message: 'who comes later sees what is there' }).toBe(true)
  await expectSamePages([ada, dan], [])
  await dan.page.reload()
  await dan.canWork()
  await expect.poll(() => dan.seesDrawing(), { message: 'and after a reload' }).toBe(true)
})

test('carets and pointers of others are shown, with their names, and move', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.writeLine('one line')
  await expect(ben.text).toContainText('one line')

  const caret = ben.page.locator('.remote-caret[data-name="Ada"]')
  await expect(caret).toBeVisible()
  const heightOf = async () => (await caret.boundingBox())?.y ?? 0
  const before = await heightOf()
  await ada.writeLine('another line')
  await expect.poll(heightOf).toBeGreaterThan(before)

  await expect(ben.page.getByRole('button', { name: 'Follow Ada' })).toBeVisible()
  await expect(ada.page.getByRole('button', { name: 'Follow Ben' })).toBeVisible()

  const { x, y } = await ada.middle()
  const shown = () => ben.canvas.evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL())
  await ada.page.mouse.move(x, y, { steps: 3 })
  await ada.page.mouse.move(x + 4, y, { steps: 3 })
  const pictures = new Set<string>()
  await expect
    .poll(async () => {
      pictures.add(await shown())
      await ada.page.mouse.move(x + pictures.size * 9, y + 30, { steps: 2 })
      return pictures.size
    })
    .toBeGreaterThan(2)
})

test('following somebody shows what they look at', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.page.keyboard.press('Alt+3')
  await expect(ada.text).toBeHidden()
  await ben.page.getByRole('button', { name: 'Follow Ada' }).click()
  await ben.page.keyboard.press('Alt+1')
  await ben.page.getByRole('button', { name: 'Follow Ada' }).click()
  await expect(ben.canvas).toBeVisible()

  await ada.useBoard()
  const zoomOf = (person: typeof ada) => person.page.locator('.zoom-actions .reset-zoom-button')
  await ada.page.getByRole('button', { name: 'Zoom in' }).click()
  await ada.page.getByRole('button', { name: 'Zoom in' }).click()
  await expect(zoomOf(ben)).not.toHaveText('100%')
})

test('formatting the same words at once keeps both formats', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.text.focus()
  await ada.page.keyboard.type('shared words')
  await expect(ben.text).toContainText('shared words')

  for (const person of [ada, ben]) {
    await person.text.focus()
    await person.page.keyboard.press('Control+a')
  }
  await Promise.all([ada.page.keyboard.press('Control+b'), ben.page.keyboard.press('Control+i')])
  for (const person of [ada, ben]) {
    await expect(person.text.locator('strong')).toContainText('shared words')
    await expect(person.text.locator('em')).toContainText('shared words')
  }
  expect(await readPage(ben)).toBe(await readPage(ada))
})

test('undo on the page takes back my own edits only', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.writeLine('from Ada')
  await expect(ben.text).toContainText('from Ada')
  await ben.writeLine('from Ben')
  await expect(ada.text).toContainText('from Ben')

  await ada.text.focus()
  const undo = ada.page.getByRole('button', { name: 'Undo my last edit' })
  while (await undo.isEnabled()) await undo.click()
  for (const person of [ada, ben]) {
    await expect(person.text).not.toContainText('from Ada')
    await expect(person.text).toContainText('from Ben')
  }
})

test('undo on the whiteboard takes back my own elements only', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.draw('rectangle', -120, -120, -40, -60)
  await expect.poll(() => ben.countElements(space)).toBe(1)
  await ben.draw('ellipse', 0, -120, 80, -60)
  await expect.poll(() => ada.countElements(space)).toBe(2)

  await ada.useBoard()
  await ada.page.keyboard.press('Control+z')
  await expect.poll(() => ben.countElements(space)).toBe(1)
  expect(Object.values(await ben.board(space)).map((element) => element.type)).toEqual(['ellipse'])
  await ada.page.keyboard.press('Control+Shift+z')
  await expect.poll(() => ben.countElements(space)).toBe(2)
})

test('what is painted while somebody drags it stays painted, and is where it was dragged', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.draw('rectangle', -120, -120, -20, -40)
  await expect.poll(() => ben.countElements(space)).toBe(1)
  const element = async (person: typeof ada) => Object.values(await person.board(space))[0] as { place: number[]; strokeColor: string }
  const [left = 0] = (await element(ada)).place

  await ben.useBoard()
  await ben.page.keyboard.press('Control+a')
  const red = ben.page.getByTestId('color-top-pick-#e03131')
  await expect(red).toBeVisible()

  // Grabbed by its edge: a shape without a background has nothing else to hold.
  const { x, y } = await ada.middle()
  await ada.useBoard()
  await ada.page.mouse.move(x - 120, y - 80)
  await ada.page.mouse.down()
  await ada.page.mouse.move(x - 60, y - 60, { steps: 6 })
  await red.click()
  await expect.poll(async () => (await element(ada)).strokeColor).toBe('#e03131')
  await ada.page.mouse.move(x - 20, y - 40, { steps: 6 })
  await ada.page.mouse.up()

  await expect.poll(async () => ((await element(ben)).place[0] ?? 0) - left).toBeGreaterThan(80)
  await ada.isSaved()
  for (const person of [ada, ben]) {
    expect((await element(person)).strokeColor).toBe('#e03131')
    expect(await element(person)).toEqual(await element(ada))
  }
})

test('what is deleted from the whiteboard just before the space is left is deleted for everybody', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.draw('rectangle', -120, -120, -20, -40)
  await expect.poll(() => ben.countElements(space)).toBe(1)
  await ada.isSaved()

  await ada.useBoard()
  await ada.page.keyboard.press('Control+a')
  // From within the page, because the edit waits for a few frames only.
  await ada.page.evaluate(() => {
    const leave = (): void => document.querySelector<HTMLElement>('.home-link')?.click()
    window.addEventListener('keydown', () => requestAnimationFrame(leave), { once: true, capture: true })
  })
  await ada.page.keyboard.press('Delete')
  await ada.page.getByRole('link', { name: space }).click()
  await ada.canWork()
  await ada.isSaved()
  for (const person of [ada, ben]) await expect.poll(() => person.countElements(space)).toBe(0)
})

test('the control: when updates are lost on the way, nobody sees the other’s', async ({ network, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) {
    await person.open(`${network.url}/s/${space}`)
    await person.isLive()
  }
  await ada.writeLine('this arrives')
  await expect(ben.text).toContainText('this arrives')

  network.losesUpdates = true
  await ada.writeLine('this is lost')
  await ada.title.fill('lost as well')
  // Presence still passes, and in order: when the new name is there, whatever was to come before it has come.
  await ada.page.getByRole('button', { name: /^You, Ada/ }).click()
  await ada.page.getByRole('textbox', { name: 'Name that others see' }).fill('Zoe')
  await expect(ben.page.getByRole('button', { name: 'Follow Zoe' })).toBeVisible()
  await expect(ben.text).not.toContainText('this is lost')
  await expect(ben.title).toHaveValue('')
})
