import { type MouseEvent, useSyncExternalStore } from 'react'
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
export function addressElsewhere(
  typed: string,
  here: { origin: string; protocol: string; host: string },
): string | null {
  const text = typed.trim()
  const bareHost = /^([\w-]+[.:][\w.:-]*)\/s\//.exec(text)?.[1]
  // Over http, everybody on the way would read the token.
  const protocol =
    bareHost !== undefined && (bareHost === here.host || isNearby(bareHost)) ? here.protocol : 'https:'
  const address = bareHost === undefined ? text : `${protocol}//${text}`
  if (!/^https?:\/\//i.test(address)) return null
  try {
    return new URL(address).origin === here.origin ? null : address
  } catch {
    return null
  }
}

/** This device, or one of the network at hand: what has no certificate as a rule. */
function isNearby(host: string): boolean {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  return (
    /^(10|127|192\.168|172\.(1[6-9]|2\d|3[01]))\.[\d.]+$/.test(name) ||
    /\.(local|localhost)$/.test(name) ||
    !name.includes('.')
  )
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

/** For a link within the app: a plain click goes there without loading anything. */
export function followLink(event: MouseEvent<HTMLAnchorElement>): void {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return
  event.preventDefault()
  navigate(event.currentTarget.pathname)
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
