/**
 * Opens the app without a network: the built files are kept at install, every page address answers with the one
 * page, and what was not kept ahead (a rarely used chunk, a whiteboard font) is kept when first used.
 *
 * Documents never pass through here: they come over the WebSocket and live in IndexedDB.
 */
const worker = self as unknown as ServiceWorkerGlobalScope

const FILES: readonly string[] = JSON.parse('__CONFLUO_FILES__')
const CACHE = 'confluo-__CONFLUO_REVISION__'

worker.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES.map((file) => new Request(file, { cache: 'no-cache' }))))
      .then(() => worker.skipWaiting()),
  )
})

worker.addEventListener('activate', (event) => {
  event.waitUntil(removeOldCaches().then(() => worker.clients.claim()))
})

worker.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== worker.location.origin) return
  if (request.mode === 'navigate') {
    if (isPage(url.pathname)) event.respondWith(page(request, event))
  } else if (/^\/(assets|excalidraw)\//.test(url.pathname) || FILES.includes(url.pathname)) {
    event.respondWith(keptOrFetched(request))
  }
})

function isPage(path: string): boolean {
  return path === '/' || path.startsWith('/s/')
}

/** The network first, so that a new version shows on the next visit; the kept page when there is none. */
async function page(request: Request, event: FetchEvent): Promise<Response> {
  const kept = await caches.match('/')
  try {
    const response = await fetch(request)
    if (response.ok && !response.redirected) event.waitUntil(keepPage(response.clone()))
    return response.status >= 500 && kept ? kept : response
  } catch {
    return kept ?? Response.error()
  }
}

/**
 * The server writes its settings into the page: where fresh tokens come from, and what the page may do. So the last one
 * is kept, if it is of the build that this worker has the files of.
 */
async function keepPage(response: Response): Promise<void> {
  const text = await response.clone().text()
  const entry = /src="(\/assets\/[^"]+)"/.exec(text)?.[1]
  if (entry === undefined || !FILES.includes(entry)) return
  const cache = await caches.open(CACHE)
  await cache.put('/', response)
}

/**
 * Built files carry a hash of their content in their name, so a kept one is never stale; a change of the few others is
 * a new revision, and so a new cache.
 */
async function keptOrFetched(request: Request): Promise<Response> {
  const kept = await caches.match(request)
  if (kept) return kept
  const response = await fetch(request)
  const isHtml = response.headers.get('content-type')?.includes('text/html') ?? false
  if (response.ok && !isHtml) {
    const cache = await caches.open(CACHE)
    await cache.put(request, response.clone())
  }
  return response
}

async function removeOldCaches(): Promise<void> {
  const names = await caches.keys()
  await Promise.all(
    names.filter((name) => name.startsWith('confluo-') && name !== CACHE).map((name) => caches.delete(name)),
  )
}
