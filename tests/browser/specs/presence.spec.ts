import { newSpace } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

test('who does nothing for a while is shown as away, and is back with the first touch', async ({ server, arrive }) => {
  const url = `${server.url}/s/${newSpace()}`
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  await ada.page.clock.install()
  for (const person of [ada, ben]) await person.open(url)
  const avatar = ben.page.getByRole('button', { name: 'Follow Ada' })
  await expect(avatar).toHaveAttribute('title', 'Ada, on the page: press to follow')
  await ada.page.clock.fastForward('03:00')
  await expect(avatar).toHaveAttribute('title', 'Ada, away: press to follow')
  await ada.page.mouse.move(300, 300)
  await expect(avatar).toHaveAttribute('title', 'Ada, on the page: press to follow')
})

test('name and colour can be changed, are seen by others at once, and are kept', async ({ server, arrive }) => {
  const url = `${server.url}/s/${newSpace()}`
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(url)
  await ada.writeLine('a line')
  const caret = ben.page.locator('.remote-caret')
  await expect(caret).toHaveAttribute('data-name', 'Ada')

  await ada.page.getByRole('button', { name: /^You, Ada/ }).click()
  await ada.page.getByLabel('Name that others see').fill('Augusta')
  await ada.page.getByRole('radio', { name: 'Colour 5' }).check({ force: true })
  await ada.page.getByRole('button', { name: 'Done' }).click()
  await expect(ben.page.getByRole('button', { name: 'Follow Augusta' })).toHaveCSS('background-color', 'rgb(29, 111, 184)')
  await ada.text.focus()
  await expect(caret).toHaveAttribute('data-name', 'Augusta')

  await ada.page.reload()
  await expect(ada.page.getByRole('button', { name: /^You, Augusta/ })).toBeVisible()
})

test('the name on a caret goes when it rests, and comes when it moves', async ({ server, arrive }) => {
  const url = `${server.url}/s/${newSpace()}`
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(url)
  await ada.writeLine('one line')
  const name = () => ben.page.locator('.remote-caret').evaluate((caret) => getComputedStyle(caret, '::after').opacity)
  await expect.poll(name).toBe('1')
  await expect.poll(name).toBe('0')
  await ada.page.keyboard.press('ArrowLeft')
  await expect.poll(name).toBe('1')
})

test('whom the header has no room for can be followed too, until something is pressed', async ({ server, arrive }) => {
  const url = `${server.url}/s/${newSpace()}`
  const ada = await arrive('Ada', { viewport: { width: 375, height: 760 } })
  await ada.page.goto(url)
  for (const name of ['Ben', 'Cleo', 'Dan']) await (await arrive(name)).page.goto(url)
  await ada.page.getByRole('button', { name: '1 more' }).click()
  const last = ada.page.getByRole('menu', { name: '1 more' }).getByRole('menuitemradio')
  const name = await last.innerText()
  await last.click()
  await expect(ada.page.getByText(`Following ${name}. Press anything to stop.`)).toBeVisible()
  await ada.page.keyboard.press('Escape')
  await expect(ada.page.getByText(`Following ${name}`)).toHaveCount(0)
})

test('who follows comes to rest where the other’s scroll does', async ({ server, arrive }) => {
  const url = `${server.url}/s/${newSpace()}`
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(url)
  const lines = Array.from({ length: 80 }, (_, at) => `line ${at}`).join('\n\n')
  const buffer = Buffer.from(lines)
  await ben.page.locator('header input[type=file]').setInputFiles({ name: 'long.md', mimeType: 'text/markdown', buffer })
  await expect(ada.text).toContainText('line 79')
  await ada.page.getByRole('button', { name: 'Follow Ben' }).click()
  await expect(ada.page.getByText('Following Ben')).toBeVisible()
  const scroller = ben.page.locator('.page-scroll')
  // In quick steps, of which the last is the one that counts.
  await scroller.evaluate(async (page) => {
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      page.scrollTop = share * (page.scrollHeight - page.clientHeight)
      await new Promise(requestAnimationFrame)
    }
  })
  const left = () => ada.page.locator('.page-scroll').evaluate((page) => page.scrollHeight - page.clientHeight - page.scrollTop)
  await expect.poll(left).toBeLessThan(20)
})
