import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as Y from 'yjs'
import { newSpace, Person } from '../harness/person.ts'
import type { Server } from '../harness/server.ts'
import { expect, test } from '../harness/test.ts'

/** Each code that ends a connection for good, with what the app says. */
const ENDINGS = [
  { code: 4400, status: 'Stopped', words: 'could not understand this page' },
  { code: 4401, status: 'No access', words: 'no valid key' },
  { code: 4403, status: 'No access', words: 'You have no access to this space' },
  { code: 4404, status: 'Not found', words: 'does not exist' },
  { code: 4409, status: 'Space was reset', words: 'reset on the server' },
  { code: 4413, status: 'Too large', words: 'larger than the server accepts' },
]

/** Ends the server, and starts it with another document in the place of the space's. */
async function restartWithAnother(server: Server, space: string, title: string): Promise<void> {
  await server.kill()
  const folder = await mkdtemp(join(tmpdir(), 'confluo-replacement-'))
  const replacement = new Y.Doc()
  replacement.getText('title').insert(0, title)
  await writeFile(join(folder, 'new.yjs'), Y.encodeStateAsUpdate(replacement))
  await server.command('doc', 'import', space, join(folder, 'new.yjs'), '--replace')
  await rm(folder, { recursive: true })
  await server.start()
}

for (const { code, status, words } of ENDINGS) {
  test(`${code} is told in words, and editing goes on here`, async ({ network, arrive }) => {
    const ada = await arrive('Ada')
    await ada.open(`${network.url}/s/${newSpace()}`)
    await ada.isLive()
    network.closeWith(code)
    await expect(ada.status).toContainText(status)
    await expect(ada.page.getByRole('alert')).toContainText(words)
    await ada.writeLine('still mine')
    await expect(ada.status).toContainText('kept here')
    await expect(ada.page.getByRole('button', { name: 'Download my copy' })).toBeVisible()
  })
}

test('after 4501 the app comes back by itself', async ({ network, arrive }) => {
  const ada = await arrive('Ada')
  await ada.open(`${network.url}/s/${newSpace()}`)
  await ada.isLive()
  network.closeWith(4501)
  await expect(ada.status).toHaveAttribute('data-status', 'reconnecting')
  await expect(ada.page.getByText('Your access ran out')).toBeVisible()
  network.closeWith(null)
  await ada.isLive()
})

test('what the server said can be put away, and asked for again', async ({ network, arrive }) => {
  const ada = await arrive('Ada')
  await ada.open(`${network.url}/s/${newSpace()}`)
  await ada.isLive()
  network.closeWith(4403)
  await expect(ada.page.getByRole('alert')).toBeVisible()
  await ada.page.getByRole('button', { name: 'Dismiss' }).click()
  await expect(ada.page.getByRole('alert')).toHaveCount(0)
  await ada.status.getByRole('button', { name: 'Say why' }).click()
  network.closeWith(null)
  await ada.page.getByRole('alert').getByRole('button', { name: 'Try again' }).click()
  await ada.isLive()
  await expect(ada.page.getByRole('alert')).toHaveCount(0)
})

test('a reset space gives out the old copy, and starts over from the server’s', async ({ network, arrive }) => {
  const ada = await arrive('Ada')
  const space = newSpace()
  await ada.open(`${network.url}/s/${space}`)
  await ada.isLive()
  network.closeWith(4409)
  await expect(ada.page.getByRole('alert')).toBeVisible()
  await ada.writeLine('only in my copy')

  const download = ada.page.waitForEvent('download')
  await ada.page.getByRole('button', { name: 'Download my copy' }).click()
  const doc = new Y.Doc()
  Y.applyUpdate(doc, await readFile(await (await download).path()))
  expect(doc.getXmlFragment('page').toString()).toContain('only in my copy')

  network.closeWith(null)
  await ada.page.getByRole('button', { name: 'Start from the server’s' }).click()
  await ada.isLive()
  await expect(ada.text).not.toContainText('only in my copy')
})

test('a document replaced on the server ends an old copy with 4409: it is offered, and nothing of it comes back', async ({
  ownServer,
  arrive,
}) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${ownServer.url}/s/${space}`)
  await ada.writeLine('from before the reset')
  await ada.isSaved()
  await restartWithAnother(ownServer, space, 'The new plan')

  await expect(ada.status).toContainText('Space was reset')
  await expect(ada.page.getByRole('alert')).toContainText('reset on the server')
  const download = ada.page.waitForEvent('download')
  await ada.page.getByRole('button', { name: 'Download my copy' }).click()
  const copy = new Y.Doc()
  Y.applyUpdate(copy, await readFile(await (await download).path()))
  expect(copy.getXmlFragment('page').toString()).toContain('from before the reset')

  await ada.page.getByRole('button', { name: 'Start from the server’s' }).click()
  await expect(ada.title).toHaveValue('The new plan')
  await ada.isSaved()
  const ben = await arrive('Ben')
  await ben.open(`${ownServer.url}/s/${space}`)
  await expect(ben.title).toHaveValue('The new plan')
  for (const person of [ada, ben]) await expect(person.text).not.toContainText('from before the reset')
})

/** Another tab of the same browser, which alone can be cut off from the server. */
async function secondTabOf(left: Person): Promise<{ right: Person; cutOff: (isCutOff: boolean) => void }> {
  const right = new Person(await left.page.context().newPage(), 'Ada, second tab')
  let isRightCutOff = false
  await right.page.routeWebSocket(/\/sync\//, (socket) => {
    if (isRightCutOff) void socket.close()
    else socket.connectToServer()
  })
  const cutOff = (isCutOff: boolean): void => {
    isRightCutOff = isCutOff
  }
  return { right, cutOff }
}

test('what one tab has started over stays so, though another has not yet been told', async ({ ownServer, arrive }) => {
  const space = newSpace()
  const left = await arrive('Ada')
  await left.open(`${ownServer.url}/s/${space}`)
  await left.writeLine('from before the reset')
  await left.isSaved()
  const { right, cutOff } = await secondTabOf(left)
  await right.open(`${ownServer.url}/s/${space}`)
  await right.isSaved()
  await expect(right.text).toContainText('from before the reset')

  cutOff(true)
  await restartWithAnother(ownServer, space, 'The new plan')
  await expect(left.status).toContainText('Space was reset')
  await expect(right.status).toHaveAttribute('data-status', 'reconnecting')
  await left.page.getByRole('button', { name: 'Start from the server’s' }).click()
  await expect(left.title).toHaveValue('The new plan')
  await left.writeLine('from after the reset')
  await left.isSaved()

  cutOff(false)
  await expect(right.title).toHaveValue('The new plan')
  await expect(right.text).toContainText('from after the reset')
  await right.isSaved()
  const ben = await arrive('Ben')
  await ben.open(`${ownServer.url}/s/${space}`)
  await expect(ben.text).toContainText('from after the reset')
  for (const person of [left, right, ben]) await expect(person.text).not.toContainText('from before the reset')
  expect(right.complaints).toEqual([])
})

test('where no copy is kept, what one tab has started over stays so as well', async ({ ownServer, arrive }) => {
  const space = newSpace()
  const left = await arrive('Ada')
  await left.page.context().addInitScript(() => Object.defineProperty(window, 'indexedDB', { value: undefined }))
  await left.open(`${ownServer.url}/s/${space}`)
  await left.writeLine('from before the reset')
  await left.isSaved()
  const { right, cutOff } = await secondTabOf(left)
  await right.open(`${ownServer.url}/s/${space}`)
  await right.isSaved()

  cutOff(true)
  await restartWithAnother(ownServer, space, 'The new plan')
  await expect(right.status).toHaveAttribute('data-status', 'reconnecting')
  await left.page.getByRole('button', { name: 'Start from the server’s' }).click()
  await expect(left.title).toHaveValue('The new plan')
  await left.writeLine('from after the reset')
  await left.isSaved()
  await right.writeLine('written to the old one')

  cutOff(false)
  await expect(right.status).toContainText('Space was reset')
  await expect(right.text).not.toContainText('from after the reset')
  const ben = await arrive('Ben')
  await ben.open(`${ownServer.url}/s/${space}`)
  await expect(ben.text).toContainText('from after the reset')
  for (const person of [left, ben]) {
    await expect(person.text).not.toContainText('from before the reset')
    await expect(person.text).not.toContainText('written to the old one')
  }
  expect(right.complaints).toEqual([])
})

test('who may only read sees everything and cannot edit', async ({ network, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${network.url}/s/${space}`)
  await ada.isLive()
  await ada.writeLine('to be read')
  network.sayReadOnly()
  await expect(ada.status).toContainText('Read-only')
  await expect(ada.text).toHaveAttribute('contenteditable', 'false')
  await expect(ada.page.getByRole('toolbar', { name: 'Formatting' })).toHaveCount(0)
  await expect(ada.title).not.toBeEditable()
  await expect(ada.text).toContainText('to be read')
})
