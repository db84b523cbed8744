import { type ReactElement, useSyncExternalStore } from 'react'

export interface Toast {
  id: number
  text: string
  tone: 'plain' | 'problem'
}

const SHOWN_MS = 6000
const listeners = new Set<() => void>()
let toasts: readonly Toast[] = []
let lastId = 0

/** Says something for a few seconds, to the eye and to a screen reader. */
export function say(text: string, tone: Toast['tone'] = 'plain'): void {
  const toast = { id: ++lastId, text, tone }
  publish([...toasts.filter((shown) => shown.text !== text), toast])
  setTimeout(() => publish(toasts.filter((shown) => shown.id !== toast.id)), SHOWN_MS)
}

export function Toasts(): ReactElement {
  const shown = useSyncExternalStore(subscribe, () => toasts)
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <p key={toast.id} className={toast.tone}>
          {toast.text}
        </p>
      ))}
    </div>
  )
}

function publish(next: readonly Toast[]): void {
  toasts = next
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
