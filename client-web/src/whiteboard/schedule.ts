import type { Schedule } from './binding.ts'

/** The browser's clock. A hidden page gets no frames, so there a timer stands in for one. */
export const browserSchedule: Schedule = {
  afterMilliseconds(delay, run) {
    const timer = setTimeout(run, delay)
    return () => clearTimeout(timer)
  },
  nextFrame(run) {
    if (document.hidden) {
      const timer = setTimeout(run, 200)
      return () => clearTimeout(timer)
    }
    const frame = requestAnimationFrame(run)
    return () => cancelAnimationFrame(frame)
  },
}
