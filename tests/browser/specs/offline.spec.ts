import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHROMIUM } from '../playwright.config.ts'
import { expectSamePages, newSpace, Person } from '../harness/person.ts'
import { Server } from '../harness/server.ts'
import { expect, test } from '../harness/test.ts'

/** Waits until the page could be opened without a network. */
async function canOpenOffline(person: Person): Promise<void> {
  await person.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
  await expect
    .poll(() => person.page.evaluate(async () => (await caches.match('/')) !== undefined && navigator.serviceWorker.controller !== null))
    .toBe(true)
}

test('with the server gone, both go on, reload, and everything merges when it is back', async ({ ownServer, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) {
    await person.open(`${ownServer.url}/s/${space}`)
    await canOpenOffline(person)
    await person.isSaved()
  }
  await ada.writeLine('together')
  await expect(ben.text).toContainText('together')
  await ownServer.kill()
  for (const person of [ada, ben]) await expect(person.status).toHaveAttribute('data-status', 'reconnecting')

  await ada.writeLine('Ada alone')
  await ben.writeLine('Ben alone')
  await ada.draw('rectangle', -120, -100, -20, -20)
  await ben.draw('ellipse', 0, -100, 80, -20)
  for (const person of [ada, ben]) await expect.poll(() => person.countElements(space)).toBe(1)

  for (const person of [ada, ben]) {
    await person.page.reload()
    await person.canWork()
    await expect(person.text).toContainText(`${person.name} alone`)
    await expect(person.status).toContainText('kept here')
  }
  await ada.writeLine('Ada after the reload')

  await ownServer.start()
  const cleo = await arrive('Cleo')
  await cleo.open(`${ownServer.url}/s/${space}`)
  await expectSamePages([ada, ben, cleo], ['together', 'Ada alone', 'Ben alone', 'Ada after the reload'])
  for (const person of [ada, ben, cleo]) {
    await expect.poll(() => person.countElements(space)).toBe(2)
    await person.isSaved()
  }
})

test('with the network cut, both go on, and everything merges when it is mended', async ({ network, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) {
    await person.open(`${network.url}/s/${space}`)
    await person.isSaved()
  }
  network.cut()
  await ada.writeLine('Ada in the dark')
  await ben.writeLine('Ben in the dark')
  for (const person of [ada, ben]) await expect(person.status).toContainText('kept here')
  await expect(ben.text).not.toContainText('Ada in the dark')

  network.mend()
  for (const person of [ada, ben]) {
    const now = person.page.getByRole('button', { name: 'Reconnect now' })
    await now.click({ timeout: 5_000 }).catch(() => {
      // It came back by itself in the meantime.
    })
  }
  const cleo = await arrive('Cleo')
  await cleo.open(`${network.url}/s/${space}`)
  await expectSamePages([ada, ben, cleo], ['Ada in the dark', 'Ben in the dark'])
})

test('a browser that was closed offline has kept everything', async ({ ownServer, playwright }) => {
  const space = newSpace()
  const profile = mkdtempSync(join(tmpdir(), 'confluo-profile-'))
  const start = () => playwright.chromium.launchPersistentContext(profile, { ...CHROMIUM, viewport: { width: 1380, height: 860 } })
  const first = await start()
  const ada = await Person.in(first, 'Ada')
  await ada.open(`${ownServer.url}/s/${space}`)
  await canOpenOffline(ada)
  await ada.isSaved()
  await ownServer.kill()
  await ada.writeLine('written before the browser closed')
  await expect(ada.status).toContainText('kept here')
  await ada.keeps(space, 'written before the browser closed')
  await first.close()

  const second = await start()
  const again = await Person.in(second, 'Ada')
  await again.open(`${ownServer.url}/s/${space}`)
  await expect(again.text).toContainText('written before the browser closed')
  await expect(again.status).toContainText('kept here')
  await ownServer.start()
  await again.isSaved()
  await second.close()
  rmSync(profile, { recursive: true, force: true })
})

test('a page that opens without a network has the settings that its server had last', async ({ arrive }) => {
  const settings: Record<string, string> = { CONFLUO__APP__TOKEN_REFRESH_URL: '/first' }
  const server = await Server.start(settings)
  const ada = await arrive('Ada')
  const url = `${server.url}/s/${newSpace()}`
  const endpoint = ada.page.locator('meta[name="confluo-token-refresh"]')
  await ada.open(url)
  await canOpenOffline(ada)
  await server.kill()
  settings.CONFLUO__APP__TOKEN_REFRESH_URL = '/second'
  await server.start()
  await ada.open(url)
  await expect(endpoint).toHaveAttribute('content', '/second')

  await server.kill()
  await ada.open(url)
  await expect(endpoint).toHaveAttribute('content', '/second')
  await server.stop()
})

test('two tabs of one browser stay in step without a server, also after a reload', async ({ ownServer, arrive }) => {
  const space = newSpace()
  const left = await arrive('Ada')
  await left.open(`${ownServer.url}/s/${space}`)
  await left.isSaved()
  const right = new Person(await left.page.context().newPage(), 'Ada, second tab')
  await right.open(`${ownServer.url}/s/${space}`)
  await right.isSaved()
  await ownServer.kill()
  await left.writeLine('from the left tab')
  await expectSamePages([left, right], ['from the left tab'])
  await right.writeLine('from the right tab')
  await expectSamePages([left, right], ['from the left tab', 'from the right tab'])

  for (const tab of [left, right]) {
    await canOpenOffline(tab)
    await tab.page.reload()
    await tab.canWork()
  }
  await expectSamePages([left, right], ['from the left tab', 'from the right tab'])
  await left.writeLine('after both reloaded')
  await expectSamePages([left, right], ['after both reloaded'])

  // The tab that wrote is closed: the other still brings its edits to the server.
  await left.page.close()
  await ownServer.start()
  await right.isSaved()
  const ben = await arrive('Ben')
  await ben.open(`${ownServer.url}/s/${space}`)
  await expectSamePages([right, ben], ['from the left tab', 'from the right tab', 'after both reloaded'])
})
