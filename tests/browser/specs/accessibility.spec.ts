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

for (const colorScheme of ['light', 'dark'] as const) {
  test(`no serious finding in what is seen less often (${colorScheme})`, async ({ network, arrive }) => {
    const url = `${network.url}/s/${newSpace()}`
    const ada = await arrive('Ada', { colorScheme })
    await ada.open(url)
    await ada.page.keyboard.press('Alt+/')
    await expect(ada.page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible()
    expect(await findings(ada), 'the keys').toEqual([])
    await ada.page.keyboard.press('Escape')

    await ada.text.focus()
    await ada.page.keyboard.type('/')
    await expect(ada.page.getByRole('listbox', { name: 'Insert' })).toBeVisible()
    expect(await findings(ada), 'the slash menu').toEqual([])
    await ada.page.keyboard.press('ArrowDown')
    const selected = ada.page.getByRole('listbox', { name: 'Insert' }).getByRole('option', { selected: true })
    await expect(selected).toHaveText('Heading 1')
    await expect(ada.text).toHaveAttribute('aria-activedescendant', (await selected.getAttribute('id')) ?? '')
    await ada.page.keyboard.press('Escape')
    await expect(ada.text).not.toHaveAttribute('aria-activedescendant', /./)
    await ada.page.keyboard.press('Backspace')
    await ada.page.keyboard.press('Control+k')
    await expect(ada.page.getByRole('textbox', { name: 'Address of the link' })).toBeVisible()
    expect(await findings(ada), 'a link').toEqual([])
    await ada.page.keyboard.press('Escape')

    for (const name of ['Ben', 'Cleo', 'Dan', 'Eve', 'Finn', 'Gil']) await (await arrive(name)).page.goto(url)
    await ada.page.getByRole('button', { name: '1 more' }).click()
    expect(await findings(ada), 'more people').toEqual([])
    await ada.page.getByRole('menuitemradio').click()
    await expect(ada.page.getByText('Press anything to stop')).toBeVisible()
    expect(await findings(ada), 'following').toEqual([])
    await ada.page.keyboard.press('Escape')

    network.sayReadOnly()
    await expect(ada.page.getByText('You can read this page')).toBeVisible()
    expect(await findings(ada), 'reading').toEqual([])
    network.closeWith(4409)
    await expect(ada.page.getByRole('alert')).toBeVisible()
    expect(await findings(ada), 'the end').toEqual([])
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
