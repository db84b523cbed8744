import { expect, type Browser, type BrowserContext, type Locator, type Page } from '@playwright/test'
import * as Y from 'yjs'

interface Box {
  x: number
  y: number
  width: number
  height: number
}

/**
 * Somebody in front of a browser. Each has a context of their own: within one, tabs find each other without any
 * server, and a test would pass with the server gone.
 */
export class Person {
  readonly page: Page
  readonly name: string
  /** What the page complained about; most tests want this empty at their end. */
  readonly complaints: string[] = []

  constructor(page: Page, name: string) {
    this.page = page
    this.name = name
    page.on('pageerror', (error) => this.complaints.push(`error: ${error.message}`))
    page.on('console', (message) => {
      if (/Content.Security.Policy|violates/i.test(message.text())) this.complaints.push(message.text())
    })
  }

  static async arrive(browser: Browser, name: string, options: Parameters<Browser['newContext']>[0] = {}): Promise<Person> {
    const context = await browser.newContext(options)
    return Person.in(context, name)
  }

  static async in(context: BrowserContext, name: string): Promise<Person> {
    await context.addInitScript((given) => {
      if (localStorage.getItem('confluo:person') === null) {
        const colors = ['#0f766e', '#b45309', '#be3455', '#6d4bc4']
        const color = colors[given.charCodeAt(0) % colors.length]
        localStorage.setItem('confluo:person', JSON.stringify({ name: given, color }))
      }
    }, name)
    return new Person(await context.newPage(), name)
  }

  async leave(): Promise<void> {
    await this.page.context().close()
  }

  /** Opens the space at `url` and waits until page and whiteboard can be used. */
  async open(url: string): Promise<void> {
    await this.page.goto(url)
    await this.canWork()
  }

  async canWork(): Promise<void> {
    await expect(this.text).toBeVisible()
    await expect(this.canvas).toBeVisible()
  }

  get text(): Locator {
    return this.page.locator('.page-text')
  }

  get canvas(): Locator {
    return this.page.locator('canvas.interactive')
  }

  get status(): Locator {
    return this.page.locator('.status')
  }

  get title(): Locator {
    return this.page.getByRole('textbox', { name: 'Title of the space' })
  }

  async isLive(): Promise<void> {
    await expect(this.status).toHaveAttribute('data-status', /^(saved|live)$/)
  }

  async isSaved(): Promise<void> {
    await expect(this.status).toHaveAttribute('data-status', 'saved')
  }

  /** Writes a paragraph at the end of the page. */
  async writeLine(line: string): Promise<void> {
    await this.text.focus()
    await this.caretIsSettled()
    await this.moveToEnd('page')
    // Enter comes first, so that who sees the line has seen all that was typed for it.
    if ((await this.text.innerText()).trim() !== '') await this.page.keyboard.press('Enter')
    await this.page.keyboard.type(line)
  }

  /**
   * Goes on writing in the paragraph that holds `beginning`. For people who write at once: two who split the same
   * paragraph at the same moment both take its end along, which is ProseMirror's way and not what these tests are about.
   */
  async continueLine(beginning: string, more: string): Promise<void> {
    await this.text.getByText(beginning).first().click()
    await this.caretIsSettled()
    await this.moveToEnd('paragraph')
    await this.page.keyboard.type(more)
  }

  /**
   * ProseMirror learns of a caret that a key has moved by an event that comes later. A remote caret that is drawn in
   * between puts the caret back, so the key is pressed until the editor itself, not just the browser, has it at the end.
   */
  private async moveToEnd(end: 'page' | 'paragraph'): Promise<void> {
    await expect(async () => {
      await this.page.keyboard.press(end === 'page' ? 'Control+End' : 'End')
      await expect.poll(() => this.text.evaluate(textAfterCaret, end), { timeout: 500 }).toBe('')
    }).toPass()
  }

  /**
   * ProseMirror puts its own caret back 20 ms after it got the focus, and so undoes what a key did before. A timer of
   * the same length that is set later fires later.
   */
  private caretIsSettled(): Promise<void> {
    return this.page.evaluate(() => new Promise((settled) => setTimeout(settled, 20)))
  }

  /** Draws a rectangle or an ellipse between two points, given in pixels from the middle of the whiteboard. */
  async draw(shape: 'rectangle' | 'ellipse', left: number, top: number, right: number, bottom: number): Promise<void> {
    const { x, y } = await this.middle()
    await this.useBoard()
    await this.page.keyboard.press(shape === 'rectangle' ? 'r' : 'o')
    await this.page.mouse.move(x + left, y + top)
    await this.page.mouse.down()
    await this.page.mouse.move(x + (left + right) / 2, y + (top + bottom) / 2, { steps: 4 })
    await this.page.mouse.move(x + right, y + bottom, { steps: 4 })
    await this.page.mouse.up()
  }

  /** Puts the keyboard into the whiteboard, with nothing selected. */
  async useBoard(): Promise<void> {
    const { x, y } = await this.middle()
    await this.page.mouse.move(x, y)
    await this.page.locator('.excalidraw').first().focus()
    await this.page.keyboard.press('Escape')
    await this.page.keyboard.press('v')
  }

  async middle(): Promise<{ x: number; y: number }> {
    const box = await this.box(this.canvas)
    return { x: box.x + box.width / 2 + 60, y: box.y + box.height / 2 }
  }

  async box(locator: Locator): Promise<Box> {
    const box = await locator.boundingBox()
    if (box === null) throw new Error('it is not on the screen')
    return box
  }

  /** The document as this browser keeps it, read where it is kept. */
  async document(space: string): Promise<Y.Doc> {
    const updates = await this.page.evaluate(async (name) => {
      const database = await new Promise<IDBDatabase | null>((resolve) => {
        const request = indexedDB.open(name)
        // Whoever looks must not make one.
        request.onupgradeneeded = () => request.transaction?.abort()
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => resolve(null)
      })
      if (database === null) return []
      const rows = await new Promise<Uint8Array[]>((resolve, reject) => {
        const request = database.transaction('updates').objectStore('updates').getAll()
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
      database.close()
      return rows.map((row) => Array.from(row))
    }, `confluo/${space}`)
    const doc = new Y.Doc()
    for (const update of updates) Y.applyUpdate(doc, Uint8Array.from(update))
    return doc
  }

  /** Waits until this browser has written `line` where it survives the browser's end. */
  async keeps(space: string, line: string): Promise<void> {
    await expect.poll(async () => (await this.document(space)).getXmlFragment('page').toString()).toContain(line)
  }

  /** The whiteboard's elements, by id, as JSON. */
  async board(space: string): Promise<Record<string, Record<string, unknown>>> {
    return (await this.document(space)).getMap('board').toJSON()
  }

  async countElements(space: string): Promise<number> {
    return Object.keys(await this.board(space)).length
  }

  /** Whether anything is drawn on the part of the whiteboard that is on the screen. */
  seesDrawing(): Promise<boolean> {
    return this.page.locator('canvas.static').evaluate((element) => {
      const canvas = element as HTMLCanvasElement
      const pixels = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data
      return pixels?.some((value, at) => at % 4 === 3 && value > 0) ?? false
    })
  }

  /** Chooses an entry of the menu at the end of the header. */
  async choose(entry: string): Promise<void> {
    await this.page.getByRole('button', { name: 'More', exact: true }).click()
    await this.page.getByRole('menu', { name: 'More' }).getByText(entry, { exact: true }).click()
  }
}

let spaces = 0

/** A space that no other test uses. */
export function newSpace(): string {
  return `test-${process.pid}-${++spaces}`
}

/** Waits until every page shows the same, and that it holds all of `lines`. */
export async function expectSamePages(people: readonly Person[], lines: readonly string[]): Promise<void> {
  for (const person of people) {
    for (const line of lines) await expect(person.text, `${person.name} sees “${line}”`).toContainText(line)
  }
  await expect(async () => {
    const pages = await Promise.all(people.map((person) => readPage(person)))
    expect(new Set(pages).size).toBe(1)
  }).toPass({ timeout: 20_000 })
}

/** The page's content without what only its reader sees (carets, placeholders). */
export function readPage(person: Person): Promise<string> {
  return person.text.evaluate((element) => {
    const copy = element.cloneNode(true) as HTMLElement
    for (const extra of copy.querySelectorAll('.remote-caret, .ProseMirror-separator, .ProseMirror-trailingBreak')) extra.remove()
    for (const marked of copy.querySelectorAll('.ProseMirror-yjs-selection')) marked.replaceWith(...marked.childNodes)
    copy.normalize()
    for (const node of copy.querySelectorAll('*')) {
      node.removeAttribute('class')
      node.removeAttribute('data-placeholder')
    }
    return copy.innerHTML
  })
}

/** What Tiptap's editor says of itself, as far as it is asked here. */
interface EditorState {
  selection: { to: number; $to: { end: () => number } }
  doc: { content: { size: number }; textBetween: (from: number, to: number) => string }
}

/** Runs in the page: the text between the caret and the end, as the editor has it; Tiptap hangs its editor on its element. */
function textAfterCaret(element: Element, end: 'page' | 'paragraph'): string {
  const { state } = (element as unknown as { editor: { state: EditorState } }).editor
  const { to, $to } = state.selection
  return state.doc.textBetween(to, end === 'page' ? state.doc.content.size : $to.end())
}
