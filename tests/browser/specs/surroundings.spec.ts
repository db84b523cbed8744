import { expectSamePages, newSpace } from '../harness/person.ts'
import { Server } from '../harness/server.ts'
import { expect, test } from '../harness/test.ts'

test('over plain http in a local network it works, and says what it lacks', async ({ arrive }) => {
  const server = await Server.start({ CONFLUO__AUTH__UNPROTECTED: 'anyone may read and change every document' }, '0.0.0.0')
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.lanUrl}/s/${space}`)
  const offered = await ada.page.evaluate(() => [
    window.isSecureContext,
    'serviceWorker' in navigator,
    'clipboard' in navigator,
    'randomUUID' in crypto,
  ])
  expect(offered, 'the browser withholds what it gives to https only').toEqual([false, false, false, false])
  await expect(ada.page.getByRole('note')).toContainText('Opened over plain http')

  await ada.writeLine('in the same house')
  await ben.draw('rectangle', -100, -100, 0, 0)
  await expectSamePages([ada, ben], ['in the same house'])
  await expect.poll(() => ada.countElements(space)).toBe(1)
  for (const person of [ada, ben]) await person.isSaved()

  await ada.page.getByRole('button', { name: 'Share: copy the link' }).click()
  await expect(ada.page.getByText('Link copied.')).toBeVisible()
  await ada.text.focus()
  await ada.page.keyboard.press('Control+v')
  await expect(ada.text).toContainText(`${server.lanUrl}/s/${space}`)

  await ada.page.getByRole('link', { name: 'Confluo, all spaces' }).click()
  await ada.page.getByRole('button', { name: 'New space' }).click()
  await ada.canWork()
  await server.stop()
})

test('a browser that keeps no copy is not told that one is kept', async ({ network, arrive }) => {
  const ada = await arrive('Ada')
  await ada.page.addInitScript(() => Object.defineProperty(window, 'indexedDB', { value: undefined }))
  await ada.open(`${network.url}/s/${newSpace()}`)
  await ada.isSaved()
  await expect(ada.page.getByRole('note')).toContainText('keeps no copy')
  network.closeWith(1001)
  await expect(ada.page.getByRole('status').filter({ hasText: 'Not connected. Your edits are in this tab only.' })).toBeAttached()
  await expect(ada.page.getByText('The server is restarting.')).toBeVisible()
  await ada.writeLine('only in this tab')
  await expect(ada.status).toContainText('in this tab only')
  await expect(ada.page.locator('body')).not.toContainText('kept here')
  await expect(ada.status).not.toHaveAttribute('title', /kept here/)
})

for (const when of ['at once', 'when the copy has ended'] as const) {
  test(`what is written ${when} after the browser has cleared its storage reaches the server, and a new copy`, async ({
    server,
    arrive,
  }) => {
    const space = newSpace()
    const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
    for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
    await ada.writeLine('before')
    await ada.isSaved()
    const session = await ada.page.context().newCDPSession(ada.page)
    await session.send('Storage.clearDataForOrigin', { origin: server.url, storageTypes: 'indexeddb' })
    if (when !== 'at once') await ada.keeps(space, 'before')
    await ada.writeLine('after')
    await expect(ben.text).toContainText('after')
    await ada.isSaved()
    await ada.keeps(space, 'after')
    await ada.keeps(space, 'before')
    await expect(ada.status).toHaveAttribute('title', /A copy is kept/)
  })
}

test('the longest status is whole and covers nothing, from a phone to a desk', async ({ network, arrive }) => {
  const ada = await arrive('Ada', { viewport: { width: 375, height: 760 }, hasTouch: true })
  await ada.page.goto(`${network.url}/s/${newSpace()}`)
  await ada.isLive()
  await ada.title.fill('A plan with a long name, as people give it to what they care for')
  for (const name of ['Ben', 'Cleo', 'Dan']) await (await arrive(name)).page.goto(ada.page.url())
  await expect(ada.page.getByRole('list', { name: 'Who is here' }).getByRole('listitem')).toHaveCount(4)
  network.closeWith(4529)
  await ada.writeLine('a line that is kept here until the network is mended')
  await expect(ada.status).toContainText(/Reconnecting.*changes kept here/)

  for (const width of [375, 730, 800, 960, 1024, 1110, 1380]) {
    await ada.page.setViewportSize({ width, height: 760 })
    await expect.poll(() => ada.page.evaluate(whatIsWrongWithTheStatus), { message: `at ${width} px` }).toEqual([])
  }
})

/** Runs in the page, all at one moment: while the seconds count down, the status changes its width. */
function whatIsWrongWithTheStatus(): string[] {
  const wrong: string[] = []
  const element = document.querySelector('.status')
  if (element === null) return ['it is not there']
  const status = element.getBoundingClientRect()
  if (status.left < 0 || status.right > window.innerWidth) wrong.push('it leaves the window')
  if (element.scrollWidth > element.clientWidth) wrong.push('some of it is cut off')
  if (document.documentElement.scrollWidth > window.innerWidth) wrong.push('the page is wider than the window')
  for (const name of ['.space-title', '.avatars', '.view-switch', '.toolbar']) {
    const other = document.querySelector(name)?.getBoundingClientRect()
    if (other === undefined) continue
    const across = Math.min(status.right, other.right) - Math.max(status.left, other.left)
    const down = Math.min(status.bottom, other.bottom) - Math.max(status.top, other.top)
    if (across > 1 && down > 1) wrong.push(`it lies over ${name}`)
  }
  return wrong
}

test('no name of a space is one that the app itself needs in the browser', async ({ server, arrive }) => {
  const ada = await arrive('Ada')
  await ada.open(`${server.url}/s/probe`)
  await ada.writeLine('kept like any other')
  await ada.keeps('probe', 'kept like any other')
})

test('print shows title and page in dark ink, and nothing of the app', async ({ server, arrive }) => {
  const ada = await arrive('Ada', { colorScheme: 'dark' })
  await ada.open(`${server.url}/s/${newSpace()}`)
  await ada.title.fill('For the notice board')
  await ada.text.focus()
  await ada.page.keyboard.type('# Opening hours\nFrom nine to five, with **care**.\n> Bring a coat.\n')
  await ada.isSaved()
  await ada.page.emulateMedia({ media: 'print', colorScheme: 'dark' })

  await expect(ada.title).toBeVisible()
  await expect(ada.text).toBeVisible()
  for (const hidden of [ada.canvas, ada.status, ada.page.getByRole('toolbar', { name: 'Formatting' })]) {
    await expect(hidden).toBeHidden()
  }
  const printed = [ada.title, ada.text.locator('h1'), ada.text.locator('strong'), ada.text.locator('blockquote')]
  for (const part of printed) {
    const brightest = await part.evaluate((element) => {
      const channels = getComputedStyle(element).color.match(/\d+/g)?.slice(0, 3) ?? ['255']
      return Math.max(...channels.map(Number))
    })
    expect(brightest, 'ink that is seen on paper').toBeLessThan(128)
  }
  await ada.page.screenshot({ path: test.info().outputPath('print.png'), fullPage: true })
})

test('with the whiteboard alone on the screen, it is what is printed', async ({ server, arrive }) => {
  const ada = await arrive('Ada', { colorScheme: 'dark' })
  await ada.open(`${server.url}/s/${newSpace()}`)
  await ada.draw('rectangle', -100, -100, 50, 50)
  await ada.page.keyboard.press('Alt+3')
  await ada.isSaved()
  await ada.page.emulateMedia({ media: 'print', colorScheme: 'dark' })
  const drawing = ada.page.locator('canvas.static')
  await expect(drawing).toBeVisible()
  await expect(drawing, 'dark ink on white').toHaveCSS('filter', 'none')
  await expect.poll(() => ada.seesDrawing()).toBe(true)
  for (const hidden of [ada.canvas, ada.text, ada.status, ada.page.getByTitle('Library')]) await expect(hidden).toBeHidden()
})
