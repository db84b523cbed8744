import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { newSpace, type Person } from '../harness/person.ts'
import type { Server } from '../harness/server.ts'
import { expect, test } from '../harness/test.ts'
import { mintToken, startWithTokens, TokenEndpoint } from '../harness/tokens.ts'

/** Renewed after half of it at the latest, so a stall of half of it and the grace is forgiven. */
const LIFE_SECONDS = 16

let endpoint: TokenEndpoint
let server: Server

test.beforeEach(async () => {
  endpoint = await TokenEndpoint.start(LIFE_SECONDS)
  server = await startWithTokens(endpoint.url)
})

test.afterEach(async () => {
  await server.stop()
  await endpoint.stop()
})

function linkTo(space: string, token: string): string {
  return `${server.url}/s/${space}#token=${token}`
}

function watchSockets(person: Person): { opened: number } {
  const sockets = { opened: 0 }
  person.page.on('websocket', () => sockets.opened++)
  return sockets
}

test('a token is renewed on the live connection, and outlives the one of the link', async ({ arrive }) => {
  const ada = await arrive('Ada')
  const sockets = watchSockets(ada)
  const first = mintToken(LIFE_SECONDS)
  const endsAt = Date.now() + (LIFE_SECONDS + 3) * 1000
  const space = newSpace()
  await ada.open(linkTo(space, first))
  await ada.isSaved()
  await expect.poll(() => endpoint.asked.length, { timeout: 60_000 }).toBeGreaterThan(0)
  expect(endpoint.asked[0]).toBe(first)

  await expect.poll(() => Date.now() > endsAt, { timeout: 60_000, message: 'the first token has ended' }).toBe(true)
  await ada.writeLine('written with a later token')
  await ada.isSaved()
  expect(sockets.opened).toBe(1)
  expect(new Set(endpoint.asked).size, 'each question came with the token before it').toBe(endpoint.asked.length)

  await ada.page.reload()
  await ada.canWork()
  await ada.isSaved()
})

test('a link whose token has run out opens with a fresh one, and says so when there is none', async ({ arrive }) => {
  const ada = await arrive('Ada')
  const space = newSpace()
  await ada.open(linkTo(space, mintToken(-60)))
  await ada.isSaved()

  endpoint.refuses = true
  const ben = await arrive('Ben')
  await ben.open(linkTo(space, mintToken(-60)))
  await expect(ben.status).toContainText('No access')
  await expect(ben.page.getByRole('alert')).toContainText('Your access ran out')

  // Another link to the space that is open changes its fragment only.
  await ben.page.goto(linkTo(space, mintToken(600)))
  await ben.isSaved()
})

test('a read-only link shows everything and cannot edit; another link can', async ({ arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  await ada.open(linkTo(space, mintToken(600)))
  await ada.writeLine('for everybody to read')
  await ada.isSaved()

  await ben.open(linkTo(space, mintToken(600, 'read')))
  await expect(ben.status).toContainText('Read-only')
  await expect(ben.text).toContainText('for everybody to read')
  await expect(ben.text).toHaveAttribute('contenteditable', 'false')
  await expect(ben.title).not.toBeEditable()

  await ben.page.goto(linkTo(space, mintToken(600)))
  await expect(ben.text).toHaveAttribute('contenteditable', 'true')
  await ben.writeLine('and now to write')
  await expect(ada.text).toContainText('and now to write')
})

test('an older link that Back brings again does not replace the key that is in use', async ({ arrive }) => {
  endpoint.refuses = true
  const space = newSpace()
  const [soon, late] = [mintToken(600, 'read'), mintToken(1200)]
  const ada = await arrive('Ada')
  await ada.open(linkTo(space, soon))
  await expect(ada.status).toContainText('Read-only')
  await ada.page.goto(linkTo(space, late))
  await ada.isSaved()
  await ada.page.goBack()
  await expect.poll(() => ada.page.url()).toBe(linkTo(space, late))
  await ada.writeLine('still allowed')
  await ada.isSaved()
})

test('a link that is pasted on the home page keeps its token', async ({ arrive }) => {
  endpoint.refuses = true
  const ada = await arrive('Ada')
  await ada.page.goto(server.url)
  await ada.page.getByLabel('or open one by name or link').fill(linkTo(newSpace(), mintToken(600)))
  await ada.page.keyboard.press('Enter')
  await ada.canWork()
  await ada.isSaved()
})

test('a link to another server that is pasted on the home page leads there, with its token', async ({ arrive }) => {
  const other = await startWithTokens()
  const space = newSpace()
  const link = `${other.url}/s/${space}#token=${mintToken(600)}`
  const ada = await arrive('Ada')
  const sockets: string[] = []
  ada.page.on('websocket', (socket) => sockets.push(socket.url()))
  await ada.page.goto(server.url)
  await ada.page.getByLabel('or open one by name or link').fill(link)
  await ada.page.keyboard.press('Enter')
  await ada.canWork()
  await ada.isSaved()
  expect(ada.page.url()).toBe(link)
  for (const url of sockets) expect(url).toContain(`localhost:${other.port}/`)
  await other.stop()
})

test('the token of the link goes to the server in one header, and nowhere else', async ({ arrive }) => {
  const token = mintToken(600)
  const space = newSpace()
  const ada = await arrive('Ada', { permissions: ['clipboard-read', 'clipboard-write'] })
  const seen: string[] = []
  ada.page.context().on('request', (request) => {
    seen.push(`${request.method()} ${request.url()} ${JSON.stringify(request.headers())} ${request.postData() ?? ''}`)
  })
  const sockets: string[] = []
  ada.page.on('websocket', (socket) => sockets.push(socket.url()))
  await ada.open(linkTo(space, token))
  await ada.writeLine('said')
  await ada.isSaved()

  await test.step('the share button leaves it out, unless it is asked for', async () => {
    const copied = (): Promise<string> => ada.page.evaluate(() => navigator.clipboard.readText())
    await ada.page.getByRole('button', { name: 'Share: copy the link' }).click()
    await expect(ada.page.getByText('It does not contain your key.')).toBeVisible()
    expect(await copied()).toBe(`${server.url}/s/${space}`)
    await ada.choose('Copy link with my key')
    await expect.poll(copied).toBe(linkTo(space, token))
  })

  await test.step('a link to elsewhere does not tell where it was found', async () => {
    const elsewhere = createServer((request, response) => {
      seen.push(`elsewhere ${request.url} ${JSON.stringify(request.headers)}`)
      response.writeHead(200, { 'content-type': 'text/html' }).end('<title>Elsewhere</title>')
    })
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/there`
    await ada.writeLine(`${address} `)
    const opening = ada.page.context().waitForEvent('page')
    await ada.text.getByRole('link', { name: address }).click({ modifiers: ['Control'] })
    const opened = await opening
    await expect(opened).toHaveTitle('Elsewhere')
    expect(await opened.evaluate(() => [document.referrer, window.opener])).toEqual(['', null])
    expect(seen.filter((request) => request.startsWith('elsewhere /there')).join()).not.toContain('referer')
    await opened.close()
    elsewhere.closeAllConnections()
    elsewhere.close()
  })

  await test.step('home and back keeps it, and nothing on this device does', async () => {
    await ada.page.getByRole('link', { name: 'Confluo, all spaces' }).click()
    const recent = ada.page.getByRole('link', { name: space })
    expect(await recent.getAttribute('href')).toBe(`/s/${space}`)
    await recent.click()
    await ada.canWork()
    await ada.isSaved()
    endpoint.refuses = true
    await ada.page.reload()
    await ada.canWork()
    await ada.isSaved()
    expect(ada.page.url()).toBe(linkTo(space, token))
    const kept = await ada.page.evaluate(async () => {
      const addresses = []
      for (const name of await caches.keys()) {
        for (const request of await (await caches.open(name)).keys()) addresses.push(request.url)
      }
      return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, addresses])
    })
    expect(kept).toContain(space)
    expect(kept).not.toContain(token)
    const { origins, cookies } = await ada.page.context().storageState({ indexedDB: true })
    expect(JSON.stringify([origins, cookies])).not.toContain(token)
  })

  const signature = token.split('.')[2] ?? ''
  expect(sockets.length).toBeGreaterThan(0)
  for (const heard of [...seen, ...sockets]) expect(heard).not.toContain(signature)
  expect(server.log.length).toBeGreaterThan(0)
  expect(server.log).not.toContain(signature)
})
