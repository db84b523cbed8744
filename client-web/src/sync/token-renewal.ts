import { isExpired, renewalDelay, type TokenSource } from './token.ts'

/** Between two questions, whatever the tokens and the clock say. */
const MIN_INTERVAL_MS = 2000
const FIRST_RETRY_MS = 5000
const MAX_RETRY_MS = 60_000

/** `refused`: there is no fresher token than the one at hand. `unreachable`: nobody could be asked. */
export type Renewal = 'renewed' | 'refused' | 'unreachable'

/**
 * Keeps a token fresh from the first connection to the end, connected or not: what is planned by a token's `exp` also
 * serves the next connect.
 */
export class TokenRenewal {
  readonly #source: TokenSource
  readonly #onAnswer: (answer: Renewal) => void
  #token: string | null
  #timer: ReturnType<typeof setTimeout> | null = null
  #running: Promise<Renewal> | null = null
  #lastAskedAt = Number.NEGATIVE_INFINITY
  #retryDelay = FIRST_RETRY_MS
  #isStopped = true
  /** When it asks next by itself, in milliseconds since the epoch. */
  nextAt: number | null = null
  /** How often in a row nobody could be asked. */
  failures = 0

  constructor(source: TokenSource, onAnswer: (answer: Renewal) => void) {
    this.#source = source
    this.#onAnswer = onAnswer
    this.#token = source.initial
  }

  get token(): string | null {
    return this.#token
  }

  get canRenew(): boolean {
    return this.#source.refresh !== undefined
  }

  /** True when asking first saves a connection that would be refused. */
  get shouldRenewFirst(): boolean {
    return this.canRenew && (this.#token === null || isExpired(this.#token, Date.now()))
  }

  start(): void {
    if (!this.#isStopped) return
    this.#isStopped = false
    this.#plan()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  /** Goes on with a token that came another way. */
  replace(token: string): void {
    this.#token = token
    this.#plan()
  }

  /** Who asks while an answer is awaited gets that answer. */
  renew(): Promise<Renewal> {
    this.#running ??= this.#ask().then((answer) => {
      this.#running = null
      this.#onAnswer(answer)
      return answer
    })
    return this.#running
  }

  async #ask(): Promise<Renewal> {
    const old = this.#token
    this.#cancel()
    const wait = this.#lastAskedAt + MIN_INTERVAL_MS - Date.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    this.#lastAskedAt = Date.now()
    let fresh: string | null | undefined
    try {
      fresh = (await this.#source.refresh?.(old)) ?? null
    } catch {
      // Nobody could be asked.
    }
    // One that came another way meanwhile is newer than any answer to the old one.
    if (this.#token !== old) return 'renewed'
    if (fresh === undefined) {
      this.failures++
      this.#retry()
      return 'unreachable'
    }
    this.failures = 0
    if (fresh === null) return 'refused'
    if (fresh === old) {
      // Some endpoints hand out the same token until it has ended.
      this.#retry()
      return 'refused'
    }
    this.#token = fresh
    this.#retryDelay = FIRST_RETRY_MS
    this.#plan()
    return 'renewed'
  }

  #plan(): void {
    if (this.#token === null) return
    const delay = renewalDelay(this.#token, Date.now())
    if (delay !== null) this.#askAfter(delay)
  }

  #retry(): void {
    this.#askAfter(this.#retryDelay)
    this.#retryDelay = Math.min(MAX_RETRY_MS, this.#retryDelay * 2)
  }

  #askAfter(delay: number): void {
    this.#cancel()
    if (this.#isStopped || !this.canRenew) return
    this.nextAt = Date.now() + delay
    this.#timer = setTimeout(() => void this.renew(), delay)
  }

  #cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.nextAt = null
  }
}
