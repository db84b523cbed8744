import type { SpaceName } from '../../model/space-name.ts'
import { fetchToken, type TokenSource } from '../../sync/index.ts'

const KEY = 'token'

/** Going home and back within the app must not cost the token of a space. */
const tokens = new Map<SpaceName, string>()
/** Whose token came with a link: it stands in the address again. One that was only fetched never does. */
const linked = new Set<SpaceName>()

/**
 * The token in the link's fragment (`#token=…`), which browsers send to no server and write to no log. It stays in
 * memory and in the address bar, because a reload must find it again; a fresh one takes its place there.
 */
export function tokenSource(space: SpaceName): TokenSource {
  const given = tokenInAddress()
  const initial = given ?? tokens.get(space) ?? null
  if (initial !== null) tokens.set(space, initial)
  if (given !== null) linked.add(space)
  else if (initial !== null && linked.has(space)) putInAddress(initial)
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
    const token = tokenInAddress()
    if (token === null || token === tokens.get(space)) return
    tokens.set(space, token)
    linked.add(space)
    onToken(token)
  }
  window.addEventListener('hashchange', look, { signal })
}

function keepFresh(space: SpaceName, old: string | null, fresh: string): void {
  tokens.set(space, fresh)
  if (old !== null && tokenInAddress() === old) putInAddress(fresh)
}

function putInAddress(token: string): void {
  const fragment = readFragment()
  fragment.set(KEY, token)
  window.history.replaceState(window.history.state, '', `#${fragment}`)
}

function tokenInAddress(): string | null {
  return readFragment().get(KEY) || null
}

function readFragment(): URLSearchParams {
  return new URLSearchParams(window.location.hash.slice(1))
}
