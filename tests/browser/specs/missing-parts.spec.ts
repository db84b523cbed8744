import { newSpace, type Person } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

/** Answers as a newer server does to a tab that was opened before it. */
async function lose(person: Person, chunk: string): Promise<void> {
  await person.page.route(new RegExp(`/assets/${chunk}-`), (route) => route.fulfill({ status: 404 }))
}

test('a space whose code is gone says so, and a reload helps', async ({ server, arrive }) => {
  const ada = await arrive('Ada', { serviceWorkers: 'block' })
  await ada.page.goto(server.url)
  await lose(ada, 'SpacePage')
  await ada.page.getByRole('button', { name: 'New space' }).click()
  await expect(ada.page.getByRole('alert')).toContainText('could not be loaded')
  await ada.page.screenshot({ path: test.info().outputPath('space.png') })
  await ada.page.goBack()
  await expect(ada.page.getByRole('button', { name: 'New space' })).toBeVisible()
  await ada.page.goForward()

  await ada.page.unrouteAll()
  await ada.page.getByRole('alert').getByRole('button', { name: 'Reload' }).click()
  await ada.canWork()
})

test('a whiteboard that cannot be loaded leaves the page as it is', async ({ server, arrive }) => {
  const ada = await arrive('Ada', { serviceWorkers: 'block' })
  await lose(ada, 'Whiteboard')
  await ada.page.goto(`${server.url}/s/${newSpace()}`)
  await expect(ada.page.getByRole('region', { name: 'Whiteboard' }).getByRole('alert')).toContainText('could not be loaded')
  await ada.page.screenshot({ path: test.info().outputPath('whiteboard.png') })
  await ada.writeLine('written beside it')
  await ada.isSaved()
})

test('an export and an import that cannot be loaded say so, and work after a reload', async ({ server, arrive }) => {
  const ada = await arrive('Ada', { serviceWorkers: 'block' })
  await ada.open(`${server.url}/s/${newSpace()}`)
  await lose(ada, 'transfer')
  const told = ada.page.getByText('Reload to get the new version, then try again.')
  await ada.choose('Markdown')
  await expect(told).toBeVisible()
  await ada.page.getByRole('button', { name: 'Dismiss' }).click()
  await expect(told).toHaveCount(0)
  const picker = ada.page.locator('header input[type=file]')
  const file = { name: 'a.md', mimeType: 'text/markdown', buffer: Buffer.from('# Heading') }
  await picker.setInputFiles(file)
  await expect(told).toBeVisible()

  await ada.page.unrouteAll()
  await ada.page.reload()
  await ada.canWork()
  await picker.setInputFiles(file)
  await expect(ada.text.locator('h1')).toHaveText('Heading')
})
