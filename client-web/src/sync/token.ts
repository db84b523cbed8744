/** Where tokens come from. The token is kept in memory only, and never put into an address. */
export interface TokenSource {
  /** The token to connect with; null when the server needs none. */
  current(): string | null
  /** A fresh token, or null when there is no way to get one. */
  refresh?(): Promise<string | null>
}

/** A token is renewed this long before it runs out. */
const RENEW_BEFORE_EXPIRY_MS = 30_000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * The subprotocols that carry a token in the handshake. The server selects the first; a browser fails the
 * connection if none is selected, so they are offered only with a token.
 */
export function tokenProtocols(token: string | null): string[] {
  return token === null ? [] : ['confluo', `confluo.token.${token}`]
}

/** How long until `token` should be renewed, from its `exp` claim; null when it does not say. */
export function renewalDelay(token: string, nowMs: number): number | null {
  const payload = token.split('.')[1]
  if (payload === undefined) return null
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
    if (typeof claims !== 'object' || claims === null || !('exp' in claims)) return null
    if (typeof claims.exp !== 'number') return null
    return Math.min(LONGEST_TIMER_MS, Math.max(0, claims.exp * 1000 - RENEW_BEFORE_EXPIRY_MS - nowMs))
  } catch {
    return null
  }
}

/** Asks `endpoint` for a new token with the old one: POST, answered by `{"token": "…"}`. */
export async function fetchToken(endpoint: string, old: string): Promise<string | null> {
  const response = await fetch(endpoint, { method: 'POST', headers: { authorization: `Bearer ${old}` } })
  if (!response.ok) return null
  const body: unknown = await response.json()
  if (typeof body !== 'object' || body === null || !('token' in body)) return null
  return typeof body.token === 'string' ? body.token : null
}
