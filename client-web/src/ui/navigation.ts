import { useSyncExternalStore } from 'react'
import { parseSpaceName, type SpaceName } from '../model/space-name.ts'

export type Route = { kind: 'home' } | { kind: 'space'; name: SpaceName } | { kind: 'unknown' }

export function spacePath(name: SpaceName): string {
  return `/s/${encodeURIComponent(name)}`
}

/** What a pasted link to a space carries after its `#`: a token would be lost without it. */
export function fragmentOf(link: string): string {
  return /\/s\/[^#]*(#\S+)/.exec(link)?.[1] ?? ''
}

/**
 * The address of a pasted link to another server: there its space is, and there its token belongs. Null for a name, and
 * for a link to this server.
 */
export function addressElsewhere(typed: string, here: { origin: string; protocol: string }): string | null {
  const text = typed.trim()
  const isBare = /^[\w-]+[.:][\w.:-]*\/s\//.test(text)
  const address = isBare ? `${here.protocol}//${text}` : text
  if (!/^https?:\/\//i.test(address)) return null
  try {
    return new URL(address).origin === here.origin ? null : address
  } catch {
    return null
  }
}

export function readRoute(path: string): Route {
  if (path === '/' || path === '/index.html') return { kind: 'home' }
  if (!path.startsWith('/s/')) return { kind: 'unknown' }
  const name = parseSpaceName(path)
  return name === null ? { kind: 'unknown' } : { kind: 'space', name }
}

export function navigate(path: string): void {
  window.history.pushState(null, '', path)
  window.dispatchEvent(new PopStateEvent('popstate'))
}

export function usePath(): string {
  return useSyncExternalStore(
    (changed) => {
      window.addEventListener('popstate', changed)
      return () => window.removeEventListener('popstate', changed)
    },
    () => window.location.pathname,
  )
}
