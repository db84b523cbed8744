import { type FocusEvent, type KeyboardEvent, type RefObject, useEffect, useRef } from 'react'

/** One stop for Tab, arrows inside, as a toolbar does: for the `toolbar` that gets the handlers. */
export function useOneStop(toolbar: RefObject<HTMLElement | null>) {
  const last = useRef<Element | null>(null)
  const settle = (): void => {
    const stops = stopsOf(toolbar.current)
    const current = stops.find((stop) => stop === last.current) ?? stops[0]
    for (const stop of stops) stop.tabIndex = stop === current ? 0 : -1
  }
  // After every rendering: which tools can be pressed changes with the text.
  useEffect(settle)
  return {
    onFocus(event: FocusEvent): void {
      last.current = event.target
      settle()
    },
    onKeyDown(event: KeyboardEvent): void {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
      if (step === 0) return
      const stops = stopsOf(toolbar.current)
      const at = stops.indexOf(event.target as HTMLElement)
      stops[(at + step + stops.length) % stops.length]?.focus()
      event.preventDefault()
    },
  }
}

function stopsOf(toolbar: HTMLElement | null): HTMLElement[] {
  return [...(toolbar?.querySelectorAll<HTMLElement>('button:not(:disabled), select') ?? [])]
}
