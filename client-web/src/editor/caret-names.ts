import type { Awareness } from 'y-protocols/awareness'
import { type Person, readPerson } from '../model/presence.ts'

const NAME_SHOWN_MS = 4000

/**
 * Draws the carets of others. A name is shown when its caret comes and whenever it moves; then it leaves the line above
 * to who reads it, and pointing at the caret shows it again.
 */
export class CaretNames {
  readonly #awareness: Awareness
  readonly #seen = new Map<number, string>()
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>()

  constructor(awareness: Awareness) {
    this.#awareness = awareness
  }

  start(): void {
    this.#awareness.on('change', this.#look)
    this.#look()
  }

  stop(): void {
    this.#awareness.off('change', this.#look)
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#seen.clear()
  }

  render(person: Person, clientId: number): HTMLElement {
    const caret = document.createElement('span')
    caret.className = 'remote-caret'
    caret.dataset.client = String(clientId)
    caret.classList.toggle('quiet', !this.#timers.has(clientId))
    dress(caret, person)
    return caret
  }

  readonly #look = (): void => {
    const states = this.#awareness.getStates()
    for (const [clientId, { cursor = null, user }] of states) {
      const seen = JSON.stringify([cursor, user])
      if (this.#seen.get(clientId) === seen) continue
      this.#seen.set(clientId, seen)
      this.#show(clientId, readPerson(user))
    }
    for (const clientId of this.#seen.keys()) if (!states.has(clientId)) this.#seen.delete(clientId)
  }

  #show(clientId: number, person: Person): void {
    // The editor keeps the element that it has for as long as the caret is the same client's.
    for (const caret of caretsOf(clientId)) {
      dress(caret, person)
      caret.classList.remove('quiet')
    }
    clearTimeout(this.#timers.get(clientId))
    const timer = setTimeout(() => {
      this.#timers.delete(clientId)
      for (const caret of caretsOf(clientId)) caret.classList.add('quiet')
    }, NAME_SHOWN_MS)
    this.#timers.set(clientId, timer)
  }
}

function dress(caret: HTMLElement, { name, color }: Person): void {
  caret.style.setProperty('--person', color)
  // The name is drawn by the style sheet, so that it is no part of the text: not read out, not found, not copied.
  caret.dataset.name = name
}

function caretsOf(clientId: number): NodeListOf<HTMLElement> {
  return document.querySelectorAll(`.remote-caret[data-client="${clientId}"]`)
}
