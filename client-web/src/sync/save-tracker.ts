/** How often at most the server is asked whether it has saved: typing fast must not double the messages. */
const MIN_PROBE_INTERVAL_MS = 100

interface Probe {
  counter: number
  /** How many edits had been made when the probe was sent: its answer covers all of them. */
  edits: number
}

/**
 * Knows how many edits of this client are not yet on the server's disk.
 *
 * One probe is under way at a time, and only while `ready`: after the server's step 1 has been answered on *this*
 * connection. Before that, a reply would be true of what the server has and say nothing about what it lacks.
 */
export class SaveTracker {
  #edits: number
  #savedEdits = 0
  #counter = 0
  #probe: Probe | null = null
  #ready = false
  #timer: ReturnType<typeof setTimeout> | null = null
  #lastProbeAt = Number.NEGATIVE_INFINITY
  readonly #send: (counter: number) => void
  readonly #changed: () => void

  /** Set by the first answer: the server speaks the save status. */
  isSupported = false
  /** An answer on this connection covered every edit made so far. */
  isConfirmed = false

  constructor(unsaved: number, send: (counter: number) => void, changed: () => void) {
    // What a program has kept may be missing, and a count that is none would never come down.
    this.#edits = Number.isFinite(unsaved) ? unsaved : 0
    this.#send = send
    this.#changed = changed
  }

  get unsaved(): number {
    return this.#edits - this.#savedEdits
  }

  recordEdit(): void {
    this.#edits++
    this.isConfirmed = false
    this.#schedule()
  }

  connectionReady(): void {
    this.#ready = true
    this.#probe = null
    this.#lastProbeAt = Number.NEGATIVE_INFINITY
    this.#schedule()
  }

  connectionLost(): void {
    this.#ready = false
    this.#probe = null
    this.isConfirmed = false
    this.#cancel()
  }

  /**
   * The server's answer; `refused` edits were not stored, so they stay unsaved. False when it answers what has been asked
   * again since.
   */
  confirm(counter: number, refused: boolean): boolean {
    this.isSupported = true
    const probe = this.#probe
    if (probe === null || probe.counter !== counter) return false
    this.#probe = null
    if (!refused) {
      this.#savedEdits = probe.edits
      this.isConfirmed = this.unsaved === 0
    }
    this.#changed()
    if (this.unsaved > 0 && !refused) this.#schedule()
    return true
  }

  /** An answer that is under way does not cover what there is to know. */
  askAgain(): void {
    this.#probe = null
    this.isConfirmed = false
    this.#schedule()
  }

  destroy(): void {
    this.connectionLost()
  }

  #schedule(): void {
    if (!this.#ready || this.#probe !== null || this.#timer !== null) return
    // Even the first probe waits for the current task to end: the provider must have sent the edit before it.
    const wait = Math.max(0, this.#lastProbeAt + MIN_PROBE_INTERVAL_MS - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#lastProbeAt = performance.now()
      this.#probe = { counter: ++this.#counter, edits: this.#edits }
      this.#send(this.#counter)
    }, wait)
  }

  #cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
