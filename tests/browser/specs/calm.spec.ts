import { newSpace, type Person } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

/** How much has moved on the screen by itself, as browsers score it: 0.1 still counts as good. */
async function watchShifts(person: Person): Promise<() => Promise<{ score: number; what: string[] }>> {
  await person.page.addInitScript(() => {
    const seen = { score: 0, what: [] as string[] }
    Object.assign(window, { seenShifts: seen })
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; sources: { node: Node | null }[] })[]) {
        seen.score += entry.value
        seen.what.push(...entry.sources.map(({ node }) => (node instanceof Element ? node.className : node?.textContent) ?? ''))
      }
    }).observe({ type: 'layout-shift', buffered: true })
  })
  return () => person.page.evaluate(() => (window as unknown as { seenShifts: { score: number; what: string[] } }).seenShifts)
}

for (const [device, options] of [
  ['a desk', {}],
  ['a phone', { viewport: { width: 375, height: 760 }, hasTouch: true }],
] as const) {
  test(`nothing jumps while home and a space open on ${device}`, async ({ server, arrive }) => {
    const space = newSpace()
    const ben = await arrive('Ben')
    await ben.open(`${server.url}/s/${space}`)
    await ben.title.fill('Plan')
    await ben.writeLine('words that are there already')
    await ben.isSaved()

    const ada = await arrive('Ada', options)
    const shifts = await watchShifts(ada)
    const isCalm = async (): Promise<void> => {
      await ada.page.evaluate(() => document.fonts.ready.then(() => undefined))
      const { score, what } = await shifts()
      expect(score, what.join(', ')).toBeLessThan(0.02)
    }
    await ada.page.goto(server.url)
    await expect(ada.page.getByRole('button', { name: 'New space' })).toBeVisible()
    await isCalm()
    for (const visit of ['cold', 'warm']) {
      await test.step(visit, async () => {
        await ada.page.goto(`${server.url}/s/${space}`)
        await expect(ada.text).toContainText('words that are there already')
        await ada.isSaved()
        await isCalm()
      })
    }
  })
}

test('people and networks come and go, and every button keeps its place', async ({ network, arrive }) => {
  const url = `${network.url}/s/${newSpace()}`
  const ada = await arrive('Ada')
  await ada.open(url)
  await ada.writeLine('a line')
  await ada.isSaved()
  const places = async (): Promise<unknown> => [
    await ada.box(ada.page.getByRole('navigation', { name: 'What is shown' })),
    await ada.box(ada.page.getByRole('button', { name: 'Share: copy the link' })),
    await ada.box(ada.page.getByRole('button', { name: /^You, Ada/ })),
    await ada.box(ada.text.getByText('a line')),
  ]
  const before = await places()

  const ben = await arrive('Ben')
  await ben.open(url)
  await expect(ada.page.getByRole('button', { name: 'Follow Ben' })).toBeVisible()
  expect(await places()).toEqual(before)

  network.cut()
  await expect(ada.status).toContainText('Reconnecting')
  expect(await places()).toEqual(before)
  network.mend()
  await ada.isSaved()

  await ada.text.getByText('a line').click()
  await ada.page.keyboard.press('End')
  await ada.page.keyboard.press('Enter')
  await ada.page.keyboard.type('```')
  await ada.page.keyboard.press('Enter')
  await expect(ada.page.getByRole('toolbar', { name: 'Code' })).toBeVisible()
  expect(await places()).toEqual(before)

  network.sayReadOnly()
  await expect(ada.page.getByText('You can read this page, but not edit it.')).toBeVisible()
  expect(await places()).toEqual(before)

  network.closeWith(4403)
  await expect(ada.page.getByRole('alert')).toContainText('You have no access to this space')
  expect(await places()).toEqual(before)
})
