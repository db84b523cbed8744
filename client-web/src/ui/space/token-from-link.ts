import { fetchToken, type TokenSource } from '../../sync/index.ts'

/**
 * The token in the link's fragment (`#token=…`), which browsers send to no server and write to no log. It stays in
 * memory; the fragment stays in the address bar, because a reload must find it again.
 */
export function tokenSource(): TokenSource {
  let token = new URLSearchParams(window.location.hash.slice(1)).get('token')
  const endpoint =
    document.querySelector<HTMLMetaElement>('meta[name="confluo-token-refresh"]')?.content ?? ''
  return {
    current: () => token,
    ...(endpoint !== '' && {
      async refresh() {
        if (token === null) return null
        token = (await fetchToken(endpoint, token)) ?? token
        return token
      },
    }),
  }
}
