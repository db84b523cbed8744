/** Tells of what changes often: no more often than its interval but for what is urgent, and always of the last. */
export interface Paced<T> {
  /** An urgent value goes out at once, and what waited before it does not. */
  tell(value: T, isUrgent?: boolean): void
  /** What waits is not told. */
  stop(): void
}

export function paced<T>(intervalMs: number, pass: (value: T) => void): Paced<T> {
  let timer: ReturnType<typeof setTimeout> | null = null
  let waiting: { value: T } | null = null
  const passNow = (value: T): void => {
    stop()
    timer = setTimeout(() => {
      timer = null
      if (waiting !== null) passNow(waiting.value)
    }, intervalMs)
    pass(value)
  }
  const stop = (): void => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    waiting = null
  }
  return {
    tell(value, isUrgent = false) {
      if (timer === null || isUrgent) passNow(value)
      else waiting = { value }
    },
    stop,
  }
}
