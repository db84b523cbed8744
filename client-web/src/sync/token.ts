/** Where tokens come from. They are kept in memory only, and never put into an address. */
export interface TokenSource {
  /** The token to begin with; null when there is none. */
  readonly initial: string | null
  /**
   * A fresh token in exchange for `old`; null when none is given out any more. Rejects when nobody could be asked: then
   * it is asked again later.
   */
  refresh?(old: string | null): Promise<string | null>
}

/** A token is renewed this long before it runs out: more than the minute by which browsers delay a hidden page. */
const RENEW_BEFORE_EXPIRY_MS = 75_000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * The subprotocols that carry a token in the handshake. The server selects the first; a browser fails the
 * connection if none is selected, so they are offered only with a token.
 */
export function tokenProtocols(token: string | null): string[] {
  return token === null ? [] : ['confluo', `confluo.token.${token}`]
}

/**
 * How long until `token` should be renewed: some time before its `exp`, or after half of what is left where that is
 * little. Null when it does not say.
 */
export function renewalDelay(token: string, nowMs: number): number | null {
  const endsAt = readExpiry(token)
  if (endsAt === null) return null
  const left = Math.max(0, endsAt - nowMs)
  return Math.min(LONGEST_TIMER_MS, Math.max(left - RENEW_BEFORE_EXPIRY_MS, left / 2))
}

/** By this device's clock, which may be wrong: good enough to ask for a fresh one first. */
export function isExpired(token: string, nowMs: number): boolean {
  const endsAt = readExpiry(token)
  return endsAt !== null && endsAt <= nowMs
}

/** Milliseconds since the epoch; null for a token that does not say. */
export function readExpiry(token: string): number | null {
  const payload = token.split('.')[1]
  if (payload === undefined) return null
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
    if (typeof claims !== 'object' || claims === null || !('exp' in claims)) return null
    return typeof claims.exp === 'number' ? claims.exp * 1000 : null
  } catch {
    return null
  }
}

/**
 * Asks `endpoint` for a new token with the old one: POST, answered by `{"token": "…"}`. A refusal (401 or 403) is null;
 * everything else that goes wrong rejects.
 */
export async function fetchToken(endpoint: string, old: string | null): Promise<string | null> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: old === null ? {} : { authorization: `Bearer ${old}` },
    cache: 'no-store',
    referrerPolicy: 'no-referrer',
  })
  const { status } = response
  if (status === 401 || status === 403) return null
  if (!response.ok) throw new Error(`the token endpoint answered ${status}`)
  const body: unknown = await response.json()
  if (typeof body !== 'object' || body === null || !('token' in body) || typeof body.token !== 'string')
    throw new Error('the token endpoint answered without a token')
  return body.token
}
