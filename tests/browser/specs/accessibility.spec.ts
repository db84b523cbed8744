import AxeBuilder from '@axe-core/playwright'
import { newSpace, type Person } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

/** Serious and critical findings, as text that says where. */
async function findings(person: Person): Promise<string[]> {
  const result = await new AxeBuilder({ page: person.page }).analyze()
  return result.violations
    .filter((violation) => violation.impact === 'serious' || violation.impact === 'critical')
    .flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.html.slice(0, 160)}`))
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`no serious finding on home and in a space (${colorScheme})`, async ({ server, arrive }) => {
    const ada = await arrive('Ada', { colorScheme })
    await ada.page.goto(server.url)
    await expect(ada.page.getByRole('button', { name: 'New space' })).toBeVisible()
    expect(await findings(ada)).toEqual([])

    await ada.open(`${server.url}/s/${newSpace()}`)
    await ada.writeLine('Some text')
    await ada.page.keyboard.type('\n[ ] a task\n\n> quoted\n\n')
    await ada.page.keyboard.press('Enter')
    await ada.page.keyboard.type('```js ')
    await ada.page.keyboard.type('const answer = "six times" + 7 // why')
    await expect(ada.text.locator('.hljs-keyword')).toBeVisible()
    await expect(ada.page.getByRole('toolbar', { name: 'Code' })).toBeVisible()
    await ada.isLive()
    expect(await findings(ada)).toEqual([])
    await ada.page.getByRole('button', { name: 'More', exact: true }).click()
    expect(await findings(ada)).toEqual([])
    await ada.page.keyboard.press('Escape')
    await ada.page.getByRole('button', { name: /^You, Ada/ }).click()
    expect(await findings(ada)).toEqual([])
  })
}

test('no serious finding on a phone, and nothing wider than it', async ({ server, arrive }) => {
  const ada = await arrive('Ada', { viewport: { width: 375, height: 760 }, hasTouch: true })
  await ada.page.goto(server.url)
  await expect(ada.page.getByRole('button', { name: 'New space' })).toBeVisible()
  expect(await findings(ada)).toEqual([])
  await ada.page.goto(`${server.url}/s/${newSpace()}`)
  await expect(ada.text).toBeVisible()
  await ada.isLive()
  expect(await findings(ada)).toEqual([])
  await ada.page.getByRole('button', { name: 'Board' }).click()
  await expect(ada.canvas).toBeVisible()
  expect(await findings(ada)).toEqual([])
  expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(375)
})

test('a space can be worked with the keyboard alone', async ({ server, arrive }) => {
  const ada = await arrive('Ada')
  await ada.page.goto(server.url)
  // The document is loaded before the app has drawn anything that a key could reach.
  const newSpaceButton = ada.page.getByRole('button', { name: 'New space' })
  await expect(newSpaceButton).toBeVisible()
  await ada.page.keyboard.press('Tab')
  await expect(newSpaceButton).toBeFocused()
  await ada.page.keyboard.press('Enter')
  await ada.canWork()
  await ada.page.keyboard.press('Alt+t')
  await ada.page.keyboard.type('By keyboard')
  await ada.page.keyboard.press('Enter')
  await expect(ada.title).toHaveValue('By keyboard')
  const [undo, text] = [ada.page.getByRole('button', { name: 'Undo my last edit' }), ada.page.getByRole('combobox', { name: 'Paragraph style' })]
  await expect(undo, 'there is nothing to undo on the page').toBeDisabled()
  await ada.page.getByRole('button', { name: 'More', exact: true }).focus()
  await ada.page.keyboard.press('Tab')
  await expect(text).toBeFocused()
  await ada.page.keyboard.press('ArrowRight')
  await expect(ada.page.getByRole('button', { name: 'Bold' })).toBeFocused()
  await ada.page.keyboard.press('Tab')
  await expect(ada.text, 'the tools are one stop').toBeFocused()
  await ada.page.keyboard.press('Alt+1')
  await expect(ada.canvas).toBeHidden()
  await ada.page.keyboard.press('Alt+3')
  await expect(ada.canvas).toBeVisible()
  await expect(ada.text).toBeHidden()
  await ada.page.keyboard.press('Alt+2')
  const divider = ada.page.getByRole('separator', { name: 'Width of the page' })
  const before = Number(await divider.getAttribute('aria-valuenow'))
  await divider.focus()
  await ada.page.keyboard.press('ArrowRight')
  await expect(divider).toHaveAttribute('aria-valuenow', String(before + 2))
})
