// Waiting for a state, never for a time.
import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 5

/** Waits until `condition` holds; past the deadline fails with `what`, and with `detail()` if given. */
export const until = async (condition, what, { within = 10_000, detail = () => '' } = {}) => {
  const deadline = Date.now() + within
  for (;;) {
    if (await condition()) return
    if (Date.now() > deadline) throw new Error(`not within ${within} ms: ${what} ${detail()}`)
    await pause(POLL_MS)
  }
}

/** For what must *not* happen: watches for the whole time, and fails as soon as `condition` is false. */
export const throughout = async (ms, condition, what) => {
  const end = Date.now() + ms
  while (Date.now() < end) {
    if (!(await condition())) throw new Error(`no longer true: ${what}`)
    await pause(POLL_MS)
  }
}

/** Lets everything that is ready happen before going on. */
export const breathe = () => pause(0)
