import { readFile } from 'node:fs/promises'
import * as Y from 'yjs'
import { newSpace, type Person } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

async function exported(person: Person, entry: string): Promise<Buffer> {
  const download = person.page.waitForEvent('download')
  await person.choose(entry)
  return readFile(await (await download).path())
}

/** Pastes a file of `type` with `size` bytes, the first of which are `head`, and the HTML that came with it. */
async function pasteFile(person: Person, type: string, size: number, head: number[] = [], html = ''): Promise<void> {
  await person.text.focus()
  await person.page.evaluate(
    ([mime, bytes, start, text]) => {
      const content = new Uint8Array(bytes)
      content.set(start)
      const data = new DataTransfer()
      if (text !== '') data.setData('text/html', text)
      data.items.add(new File([content], 'picture', { type: mime }))
      document.querySelector('.page-text')?.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))
    },
    [type, size, head, html] as const,
  )
}

/** A picture as the bytes of a PNG file. */
function drawnPng(person: Person, width: number, height: number): Promise<number[]> {
  return person.page.evaluate(
    async ([columns, rows]) => {
      const canvas = document.createElement('canvas')
      canvas.width = columns
      canvas.height = rows
      const context = canvas.getContext('2d')
      if (context === null) throw new Error('no canvas')
      context.fillStyle = '#0d6b66'
      context.fillRect(0, 0, columns, rows)
      const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'))
      return Array.from(new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer(0)))
    },
    [width, height] as const,
  )
}

test('a pasted image of 5 MB is refused with words, and the page goes on', async ({ server, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${server.url}/s/${space}`)
  await pasteFile(ada, 'image/png', 5 * 1024 * 1024)
  await expect(ada.page.getByText('This image is 5 MB. Images up to 4 MB can be added')).toBeVisible()
  await expect(ada.text.locator('img')).toHaveCount(0)
  await ada.writeLine('still here')
  await ada.isSaved()
})

test('a pasted image is in the document, downscaled, and others see it', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  const bitmap = await drawnPng(ada, 3200, 800)
  await pasteFile(ada, 'image/png', bitmap.length, bitmap)
  const image = ben.text.locator('img').first()
  await expect(image).toBeVisible()
  await expect.poll(() => image.evaluate((element) => (element as HTMLImageElement).naturalWidth)).toBe(1600)
})

test('an image copied from a page comes with HTML, and is pasted all the same', async ({ server, arrive }) => {
  const ada = await arrive('Ada')
  await ada.open(`${server.url}/s/${newSpace()}`)
  const bitmap = await drawnPng(ada, 40, 30)
  await pasteFile(ada, 'image/png', bitmap.length, bitmap, '<meta charset="utf-8"><img src="https://elsewhere.example/a.png">')
  await expect(ada.text.locator('img[src^="data:image/png"]')).toBeVisible()
  await ada.page.keyboard.type('and on with the text')
  await pasteFile(ada, 'image/png', bitmap.length, bitmap, '<table><tr><td>a cell</td></tr></table>')
  await expect(ada.text.locator('td')).toContainText('a cell')
  await expect(ada.text).toContainText('and on with the text')
  await expect(ada.text.locator('img[src]'), 'a table is no picture, and the text has not replaced the first').toHaveCount(1)
})

test('images that are dropped together lie in their order where they were dropped, whatever is written above meanwhile', async ({
  server,
  arrive,
}) => {
  const url = `${server.url}/s/${newSpace()}`
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  await ada.open(url)
  for (const line of ['one', 'two', 'three']) await ada.writeLine(line)
  await ben.open(url)
  await expect(ben.text).toContainText('three')
  const bitmap = await drawnPng(ada, 40, 30)
  // Each file is read only when the test says so.
  await ada.page.evaluate(() => {
    const waiting: (() => void)[] = []
    const read = FileReader.prototype.readAsDataURL
    FileReader.prototype.readAsDataURL = function (file) {
      waiting.push(() => read.call(this, file))
    }
    Object.assign(window, { waitingReads: waiting })
  })
  const readNext = async (): Promise<void> => {
    const waiting = await ada.page.waitForFunction(() => (window as unknown as { waitingReads: (() => void)[] }).waitingReads.shift())
    await waiting.evaluate((read) => read?.())
  }
  const { x, y, width, height } = await ada.box(ada.text.getByText('two'))
  await ada.text.evaluate(
    (element, [bytes, clientX, clientY]) => {
      const dataTransfer = new DataTransfer()
      for (const name of ['first.png', 'second.png']) {
        dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }))
      }
      element.dispatchEvent(new DragEvent('drop', { dataTransfer, clientX, clientY, bubbles: true, cancelable: true }))
    },
    [bitmap, x + width - 2, y + height / 2] as const,
  )
  for (const image of ['first', 'second']) {
    await ben.continueLine('one', ', and more')
    await ben.page.keyboard.press('Enter')
    await ben.page.keyboard.type(`before the ${image}`)
    await expect(ada.text).toContainText(`before the ${image}`)
    await readNext()
    await expect(ada.text.locator(`img[alt=${image}]`)).toBeVisible()
  }
  const order = await ada.text.evaluate((page) =>
    [...page.children].map((block) => block.querySelector('img')?.alt ?? block.getAttribute('alt') ?? block.textContent),
  )
  expect(order.slice(order.indexOf('two'))).toEqual(['two', 'first', 'second', 'three'])
})

test('everything can be taken out, and put into another space', async ({ server, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${server.url}/s/${space}`)
  await ada.text.focus()
  await ada.page.keyboard.type('# Heading\n')
  await ada.page.keyboard.type('- first\nsecond\n\n')
  await ada.page.keyboard.type('**bold** words\n')
  await ada.draw('rectangle', -100, -100, 0, 0)
  await expect.poll(() => ada.countElements(space)).toBe(1)
  await ada.isSaved()

  const markdown = await exported(ada, 'Markdown')
  expect(markdown.toString()).toMatch(/# Heading[\s\S]*- first[\s\S]*- second[\s\S]*\*\*bold\*\* words/)
  const html = await exported(ada, 'HTML')
  expect(html.toString()).toContain('<h1>Heading</h1>')
  expect(html.toString()).toContain(`<title>${space}</title>`)
  const json = await exported(ada, 'JSON')
  expect(JSON.parse(json.toString())).toMatchObject({ type: 'doc' })
  const png = await exported(ada, 'PNG image')
  expect(png.subarray(1, 4).toString()).toBe('PNG')
  const svg = await exported(ada, 'SVG image')
  expect(svg.toString()).toMatch(/^<svg[\s\S]*<path/)
  const drawing = await exported(ada, 'Excalidraw')
  expect(JSON.parse(drawing.toString()).elements).toHaveLength(1)
  const update = await exported(ada, 'Yjs update')
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  expect(doc.getMap('board').size).toBe(1)

  const other = newSpace()
  const ben = await arrive('Ben')
  await ben.open(`${server.url}/s/${other}`)
  const picker = ben.page.locator('header input[type=file]')
  await picker.setInputFiles({ name: 'a.md', mimeType: 'text/markdown', buffer: markdown })
  await expect(ben.text.locator('h1', { hasText: 'Heading' })).toHaveCount(1)
  await picker.setInputFiles({ name: 'a.html', mimeType: 'text/html', buffer: html })
  await expect(ben.text.locator('h1', { hasText: 'Heading' })).toHaveCount(2)
  await picker.setInputFiles({ name: 'a.json', mimeType: 'application/json', buffer: json })
  await expect(ben.text.locator('h1', { hasText: 'Heading' })).toHaveCount(3)
  await picker.setInputFiles({ name: 'a.excalidraw', mimeType: 'application/json', buffer: drawing })
  await expect.poll(() => ben.countElements(other)).toBe(1)
  await picker.setInputFiles({ name: 'a.yjs', mimeType: 'application/octet-stream', buffer: update })
  await expect.poll(() => ben.countElements(other)).toBe(2)
  await picker.setInputFiles({ name: 'broken.json', mimeType: 'application/json', buffer: Buffer.from('{') })
  await expect(ben.page.getByText('broken.json could not be read')).toBeVisible()
})

test('text on the whiteboard exports as SVG with its font, under the policy that the server sets', async ({ server, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${server.url}/s/${space}`)
  const { x, y } = await ada.middle()
  await ada.useBoard()
  await ada.page.keyboard.press('t')
  await ada.page.mouse.click(x, y)
  await ada.page.keyboard.type('river')
  await ada.page.keyboard.press('Escape')
  await expect.poll(() => ada.countElements(space)).toBe(1)
  const svg = await exported(ada, 'SVG image')
  expect(svg.toString()).toContain('river')
  expect(svg.toString()).toMatch(/@font-face[\s\S]*data:font\/woff2/)
  // Excalidraw would cut the font down to the letters in use by a program that writes JavaScript, which the policy
  // forbids; it says so, and embeds the whole font.
  const refused = ada.complaints.splice(0)
  for (const complaint of refused) expect(complaint).toContain('Skipped glyph subsetting')
})

test('nothing is loaded from another host', async ({ server, arrive }) => {
  const ada = await arrive('Ada')
  const elsewhere: string[] = []
  ada.page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.url)) elsewhere.push(request.url())
  })
  await ada.open(`${server.url}/s/${newSpace()}`)
  await ada.draw('rectangle', -100, -100, 0, 0)
  await ada.page.getByRole('link', { name: 'Confluo, all spaces' }).click()
  await expect(ada.page.getByRole('button', { name: 'New space' })).toBeVisible()
  expect(elsewhere).toEqual([])
})

test('of what is pasted, an image that lies elsewhere is left out, and the words stay', async ({ server, arrive }) => {
  const ada = await arrive('Ada')
  const asked: string[] = []
  ada.page.on('request', (request) => asked.push(request.url()))
  await ada.open(`${server.url}/s/${newSpace()}`)
  await ada.text.focus()
  await ada.page.evaluate(() => {
    const data = new DataTransfer()
    data.setData('text/html', '<p>words <b>before</b></p><img src="https://elsewhere.example/who-reads.png"><p>and after</p>')
    document.querySelector('.page-text')?.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))
  })
  await expect(ada.text).toContainText('words before')
  await expect(ada.text).toContainText('and after')
  await expect(ada.text.locator('img:not(.ProseMirror-separator)')).toHaveCount(0)
  expect(asked.filter((url) => url.includes('elsewhere'))).toEqual([])
})

test('code is coloured, by grammars that come with the first block', async ({ server, arrive }) => {
  // Somebody's caret within a word parts its colour in two.
  const coloured = (person: Person, kind: 'keyword' | 'string') =>
    expect.poll(async () => (await person.text.locator(`.hljs-${kind}`).allTextContents()).join(''))
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  const loaded: string[] = []
  ada.page.on('response', (response) => loaded.push(response.url()))
  // Without a service worker, which fetches everything ahead for when there is no network.
  await ada.page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'serviceWorker'))
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.writeLine('no code yet')
  await ada.isSaved()
  const grammars = (): string[] => loaded.filter((url) => /\/assets\/highlight-/.test(url))
  expect(grammars()).toEqual([])

  await ada.page.keyboard.press('Enter')
  await ada.page.keyboard.type('```js ')
  await ada.page.keyboard.type('const river = "Avon"')
  for (const person of [ada, ben]) {
    await coloured(person, 'keyword').toBe('const')
    await coloured(person, 'string').toBe('"Avon"')
  }
  expect(grammars()).toHaveLength(1)

  const language = ada.page.getByRole('combobox', { name: 'Language of the code' })
  await expect(language).toHaveValue('js')
  await language.selectOption('Plain text')
  for (const person of [ada, ben]) await coloured(person, 'keyword').toBe('')
  await language.selectOption('TypeScript')
  for (const person of [ada, ben]) await coloured(person, 'keyword').toBe('const')
})

test('tasks are named by their own words, and a reader cannot tick them', async ({ network, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(`${network.url}/s/${space}`)
  await ada.text.focus()
  await ada.page.keyboard.type('[ ] Read the gauge')
  await ada.page.keyboard.press('Enter')
  await ada.page.keyboard.press('Tab')
  await ada.page.keyboard.type('Bring a torch')
  const task = (person: Person, name: string) => person.text.getByRole('checkbox', { name, exact: true })
  await expect(task(ben, 'Bring a torch')).not.toBeChecked()

  await task(ben, 'Read the gauge').check()
  await expect(task(ada, 'Read the gauge')).toBeChecked()
  await expect(task(ada, 'Bring a torch'), 'the task below it is one of its own').not.toBeChecked()
  const lines = ada.text.locator('li p')
  await expect(lines.nth(0)).toHaveCSS('text-decoration-line', 'line-through')
  await expect(lines.nth(1)).toHaveCSS('text-decoration-line', 'none')

  network.sayReadOnly()
  await expect(ada.text).toHaveAttribute('contenteditable', 'false')
  await expect(task(ada, 'Bring a torch')).toBeDisabled()
})

test('a link typed as Markdown becomes one, and an address without a scheme leads out', async ({ server, arrive }) => {
  const ada = await arrive('Ada')
  await ada.open(`${server.url}/s/${newSpace()}`)
  await ada.writeLine('See [the docs](https://example.org/x) first, then ')
  await expect(ada.text.getByRole('link', { name: 'the docs' })).toHaveAttribute('href', 'https://example.org/x')
  await ada.page.keyboard.press('Control+k')
  const address = ada.page.getByRole('textbox', { name: 'Address of the link' })
  await expect(ada.page.getByRole('button', { name: 'Set link' })).toBeDisabled()
  await address.fill('example.com/y')
  await ada.page.keyboard.press('Enter')
  await expect(ada.text.getByRole('link', { name: 'example.com/y' })).toHaveAttribute('href', 'https://example.com/y')
})

test('the bar of a table never covers the cell that is written in, and leaves with the caret', async ({ server, arrive }) => {
  const ada = await arrive('Ada')
  await ada.open(`${server.url}/s/${newSpace()}`)
  await ada.text.focus()
  await ada.page.keyboard.type('line\n'.repeat(14))
  await ada.page.keyboard.type('/table')
  await ada.page.keyboard.press('Enter')
  const bar = ada.page.getByRole('toolbar', { name: 'Table' })
  const cells = ada.text.locator('th, td')
  for (let cell = 0; cell < 9; cell++) {
    await ada.page.keyboard.type(`cell ${cell}`)
    const { y, height } = await ada.box(cells.nth(cell))
    expect(y + height, `cell ${cell}`).toBeLessThanOrEqual((await ada.box(bar)).y)
    await ada.page.keyboard.press('Tab')
  }
  await ada.useBoard()
  await expect(bar).toBeHidden()
})

test('shapes of the library are put on the whiteboard, and one’s own are kept in it', async ({ server, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${server.url}/s/${space}`)
  const library = ada.page.locator('.library-menu-items-container')
  await ada.page.getByTitle('Library').click()
  await expect(library.getByText('Shapes', { exact: true })).toBeVisible()
  await expect(library.locator('.library-unit')).toHaveCount(5)
  await library.locator('.library-unit').first().click()
  await expect.poll(() => ada.countElements(space), { message: 'a note and its text' }).toBe(2)

  await ada.page.getByTitle('Library').click()
  await library.locator('.library-unit:has(.library-unit__adder)').click()
  await expect(library.locator('.library-unit')).toHaveCount(6)
  await ada.page.reload()
  await ada.canWork()
  await ada.page.getByTitle('Library').click()
  await expect(library.locator('.library-unit')).toHaveCount(6)
})
