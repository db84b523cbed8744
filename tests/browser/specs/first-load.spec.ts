import { request as httpRequest } from 'node:http'
import { newSpace } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

const BUDGET_BYTES = 350_000

/** What the server sends for `url` to who takes `encoding`. */
function sentBytes(url: string, encoding: string): Promise<number> {
  return new Promise((resolve, reject) => {
    httpRequest(url, { headers: { 'accept-encoding': encoding } }, (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.on('end', () => resolve(bytes))
    })
      .on('error', reject)
      .end()
  })
}

test('all that a first visit fetches before the whiteboard’s own chunk is within its budget', async ({ server, arrive }) => {
  const ada = await arrive('Ada', { serviceWorkers: 'block' })
  const fetched = new Set<string>()
  // With its chunk held back, everything that is fetched is fetched without it.
  await ada.page.route(/\/assets\/(Whiteboard|board)-/, () => undefined)
  ada.page.on('requestfinished', (request) => fetched.add(request.url()))
  await ada.page.goto(`${server.url}/s/${newSpace()}`)
  await expect(ada.page.getByRole('toolbar', { name: 'Formatting' })).toBeVisible()
  await ada.isSaved()
  await ada.page.evaluate(() => document.fonts.ready.then(() => undefined))
  for (const font of ['hanken', 'literata']) {
    expect([...fetched].filter((url) => url.includes(font)).length, `one face of ${font}`).toBe(1)
  }
  const sizes = await Promise.all(
    ['gzip', 'br, gzip'].map(async (encoding) => {
      const sizes = await Promise.all([...fetched].map((url) => sentBytes(url, encoding)))
      return { encoding, bytes: sizes.reduce((sum, size) => sum + size, 0) }
    }),
  )
  for (const { encoding, bytes } of sizes) expect(bytes, encoding).toBeLessThanOrEqual(BUDGET_BYTES)
})
