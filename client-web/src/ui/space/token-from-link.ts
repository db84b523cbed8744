import type { SpaceName } from '../../model/space-name.ts'
import { fetchToken, isExpired, readExpiry, type TokenSource } from '../../sync/index.ts'

const KEY = 'token'
/** Marks the entries of the browser's history whose token has been taken: *Back* and a reload come to them again. */
const TAKEN = 'isTokenTaken'

/** Going home and back within the app must not cost the token of a space. */
const tokens = new Map<SpaceName, string>()
/** Whose token came with a link: it stands in the address again. One that was only fetched never does. */
const linked = new Set<SpaceName>()

/**
 * The token in the link's fragment (`#token=…`), which browsers send to no server and write to no log. It stays in
 * memory and in the address bar, because a reload must find it again; a fresh one takes its place there.
 */
export function tokenSource(space: SpaceName): TokenSource {
  const initial = takeToken(space)
  const endpoint =
    document.querySelector<HTMLMetaElement>('meta[name="confluo-token-refresh"]')?.content ?? ''
  if (endpoint === '') return { initial }
  return {
    initial,
    async refresh(old) {
      const fresh = await fetchToken(endpoint, old)
      if (fresh !== null) keepFresh(space, old, fresh)
      return fresh
    },
  }
}

/** The token to share a space with, for who has one and wants to pass it on. */
export function tokenOf(space: SpaceName): string | null {
  return tokens.get(space) ?? null
}

/** Opening another link to the space that is open changes the fragment only, and loads nothing. */
export function watchLink(space: SpaceName, onToken: (token: string) => void, signal: AbortSignal): void {
  const look = (): void => {
    if (tokenInAddress() === null) return
    const before = tokens.get(space)
    const token = takeToken(space)
    if (token !== null && token !== before) onToken(token)
  }
  window.addEventListener('hashchange', look, { signal })
}

/**
 * Which to go on with: the token in the address, or the one that is kept. A link that has just been opened is meant; but
 * *Back* brings old ones again.
 */
export function chooseToken(
  given: string | null,
  kept: string | null,
  isJustOpened: boolean,
  nowMs: number,
): string | null {
  if (given === null || kept === null) return given ?? kept
  if (isJustOpened && !isExpired(given, nowMs)) return given
  const [givenEnd, keptEnd] = [given, kept].map((token) => readExpiry(token) ?? Number.POSITIVE_INFINITY)
  return Number(keptEnd) > Number(givenEnd) ? kept : given
}

function takeToken(space: SpaceName): string | null {
  const given = tokenInAddress()
  const isJustOpened = window.history.state?.[TAKEN] !== true
  const token = chooseToken(given, tokens.get(space) ?? null, isJustOpened, Date.now())
  if (token === null) return null
  tokens.set(space, token)
  if (given !== null) linked.add(space)
  if (linked.has(space)) putInAddress(token)
  return token
}

function keepFresh(space: SpaceName, old: string | null, fresh: string): void {
  // Another link has been opened meanwhile.
  if ((tokens.get(space) ?? null) !== old) return
  tokens.set(space, fresh)
  if (old !== null && tokenInAddress() === old) putInAddress(fresh)
}

function putInAddress(token: string): void {
  const fragment = readFragment()
  fragment.set(KEY, token)
  window.history.replaceState({ ...window.history.state, [TAKEN]: true }, '', `#${fragment}`)
}

function tokenInAddress(): string | null {
  return readFragment().get(KEY) || null
}

function readFragment(): URLSearchParams {
  return new URLSearchParams(window.location.hash.slice(1))
}
