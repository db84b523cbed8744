import { fetchToken, type TokenSource } from '../../sync/index.ts'

const KEY = 'token'

/**
 * The token in the link's fragment (`#token=…`), which browsers send to no server and write to no log. It stays in
 * memory and in the address bar, because a reload must find it again; a fresh one takes its place there.
 */
export function tokenSource(): TokenSource {
  const endpoint =
    document.querySelector<HTMLMetaElement>('meta[name="confluo-token-refresh"]')?.content ?? ''
  const initial = readFragment().get(KEY)
  if (endpoint === '') return { initial }
  return {
    initial,
    async refresh(old) {
      const fresh = await fetchToken(endpoint, old)
      if (fresh !== null && old !== null) replaceInAddress(old, fresh)
      return fresh
    },
  }
}

export function hasTokenInAddress(): boolean {
  return readFragment().has(KEY)
}

function replaceInAddress(old: string, fresh: string): void {
  const fragment = readFragment()
  if (fragment.get(KEY) !== old) return
  fragment.set(KEY, fresh)
  window.history.replaceState(window.history.state, '', `#${fragment}`)
}

function readFragment(): URLSearchParams {
  return new URLSearchParams(window.location.hash.slice(1))
}
