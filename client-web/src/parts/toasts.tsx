import { type ReactElement, useSyncExternalStore } from 'react'
import { Icon } from './Icon.tsx'

export interface Toast {
  id: number
  text: string
  tone: 'plain' | 'problem'
}

const SHOWN_MS = 6000
/** More problems than these would cover what they are about. */
const MOST_SHOWN = 4
const listeners = new Set<() => void>()
let toasts: readonly Toast[] = []
let lastId = 0

/** Says something to the eye and to a screen reader: for a few seconds, or a problem until it is put away. */
export function say(text: string, tone: Toast['tone'] = 'plain'): void {
  const toast = { id: ++lastId, text, tone }
  publish([...toasts.filter((shown) => shown.text !== text), toast].slice(-MOST_SHOWN))
  if (tone === 'plain') setTimeout(() => putAway(toast), SHOWN_MS)
}

export function Toasts(): ReactElement {
  const shown = useSyncExternalStore(subscribe, () => toasts)
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <p key={toast.id} className={toast.tone}>
          {toast.text}
          {toast.tone === 'problem' && (
            <button type="button" aria-label="Dismiss" onClick={() => putAway(toast)}>
              <Icon name="close" size={16} />
            </button>
          )}
        </p>
      ))}
    </div>
  )
}

function putAway(toast: Toast): void {
  publish(toasts.filter((shown) => shown.id !== toast.id))
}

function publish(next: readonly Toast[]): void {
  toasts = next
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
