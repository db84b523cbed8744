import { expect, test, vi } from 'vitest'
import { client, server } from './client.fixture.ts'
import type { Sent } from './fake-server.ts'
import { fetchToken } from './token.ts'

test('a token goes in the subprotocol and in the first message, never in the address', () => {
  const { sync } = client({ token: { initial: 'a.b.c' } })
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.a.b.c'])
  expect(server.socket.url).not.toContain('a.b.c')
  server.open()
  expect(server.sent).toContainEqual({ type: 2, text: 'a.b.c' })
  server.tellAccess('read')
  expect(sync.status).toEqual({ kind: 'read-only', refused: false })
})

test('a token is renewed before it runs out, on the same connection, and goes along to the next', async () => {
  const refresh = vi.fn(async () => 'fresh')
  client({ token: { initial: tokenThatEnds(600), refresh } })
  server.open()
  await vi.advanceTimersByTimeAsync(500_000)
  expect(refresh).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(30_000)
  expect(refresh).toHaveBeenCalledOnce()
  expect(server.sent.filter(isToken).at(-1)).toEqual({ type: 2, text: 'fresh' })
  expect(server.sockets).toHaveLength(1)
  server.socket.closeWith(1001)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.fresh'])
})

test('every renewal is made with the token before it, for as long as the space is open', async () => {
  let made = 0
  const olds: (string | null)[] = []
  const refresh = async (old: string | null) => {
    olds.push(old)
    return tokenThatEnds(200 + made++)
  }
  const first = tokenThatEnds(200)
  client({ token: { initial: first, refresh } })
  server.open()
  await vi.advanceTimersByTimeAsync(400_000)
  expect(olds.length).toBe(3)
  expect(olds[0]).toBe(first)
  expect(new Set(olds).size).toBe(3)
})

test('a token that lasts a moment is not asked for without a pause', async () => {
  const refresh = vi.fn(async () => `${tokenThatEnds(0)}.${refresh.mock.calls.length}`)
  client({ token: { initial: tokenThatEnds(1), refresh } })
  server.open()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(refresh.mock.calls.length).toBeLessThanOrEqual(31)
})

test('an endpoint that cannot be reached is asked again until it answers', async () => {
  const refresh = vi.fn(async () => 'fresh')
  refresh.mockRejectedValueOnce(new Error('no network')).mockRejectedValueOnce(new Error('no network'))
  client({ token: { initial: tokenThatEnds(100), refresh } })
  server.open()
  await vi.advanceTimersByTimeAsync(70_000)
  expect(refresh).toHaveBeenCalledTimes(3)
  expect(server.sent).toContainEqual({ type: 2, text: 'fresh' })
})

test('a token is renewed while there is no connection, for the next one', async () => {
  const refresh = vi.fn(async () => 'fresh')
  client({ token: { initial: tokenThatEnds(100), refresh } })
  server.open()
  server.socket.closeWith(1006)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(refresh).toHaveBeenCalledOnce()
  server.socket.closeWith(1006)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.fresh'])
})

test.each([4401, 4501])('a token that %i turns down is renewed before coming back', async (code) => {
  const refresh = vi.fn(async () => 'new')
  const { sync } = client({ token: { initial: 'old', refresh } })
  server.open()
  server.socket.closeWith(code)
  expect(sync.status).toMatchObject({
    kind: 'reconnecting',
    reason: { advice: 'A fresh key is being asked for.' },
  })
  await vi.advanceTimersByTimeAsync(0)
  expect(refresh).toHaveBeenCalledWith('old')
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.new'])
  server.open()
  await vi.advanceTimersByTimeAsync(0)
  server.answerProbe()
  expect(sync.status).toEqual({ kind: 'saved' })
})

test('a token that has run out is renewed before the first connection', async () => {
  const refresh = async () => 'new'
  client({ token: { initial: tokenThatEnds(-5), refresh } })
  expect(server.sockets).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(0)
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.new'])
})

test('without a token in the link, one is asked for; without an answer the server decides', async () => {
  client({ token: { initial: null, refresh: async () => null } })
  await vi.advanceTimersByTimeAsync(0)
  expect(server.socket.protocols).toEqual([])
})

test('who gets no fresh token is told that access ended, and not asked about again', async () => {
  const refresh = vi.fn(async () => null)
  const { sync } = client({ token: { initial: 'old', refresh } })
  server.open()
  server.socket.closeWith(4501, 'the token has expired')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sync.status).toMatchObject({
    kind: 'stopped',
    reason: { code: 4501 },
    detail: 'the token has expired',
  })
  expect(refresh).toHaveBeenCalledOnce()
  expect(server.sockets).toHaveLength(1)
})

test('a fresh token that is turned down as well ends it', async () => {
  let made = 0
  const { sync } = client({ token: { initial: 'old', refresh: async () => `new-${made++}` } })
  server.open()
  server.socket.closeWith(4401)
  await vi.advanceTimersByTimeAsync(0)
  server.socket.closeWith(4401)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sync.status).toMatchObject({ kind: 'stopped', reason: { code: 4401 } })
  expect(server.sockets).toHaveLength(2)
})

test('while the endpoint is away a refused client waits, and comes back by itself', async () => {
  const refresh = vi.fn(async () => 'new')
  refresh.mockRejectedValueOnce(new Error('no network'))
  const { sync } = client({ token: { initial: 'old', refresh } })
  server.open()
  server.socket.closeWith(4401)
  await vi.advanceTimersByTimeAsync(0)
  expect(sync.status).toMatchObject({ kind: 'reconnecting', retryAt: Date.now() + 5000 })
  await vi.advanceTimersByTimeAsync(5000)
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.new'])
})

test('an endpoint that never answers rightly is told as a fault, and asked on', async () => {
  const refresh = vi.fn(async () => {
    throw new Error('404')
  })
  const { sync } = client({ token: { initial: 'old', refresh } })
  server.open()
  server.socket.closeWith(4401)
  await vi.advanceTimersByTimeAsync(5000)
  expect(sync.status).toMatchObject({ reason: { advice: 'A fresh key is being asked for.' } })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(refresh).toHaveBeenCalledTimes(3)
  expect(sync.status).toMatchObject({
    kind: 'reconnecting',
    reason: { advice: 'No fresh key could be had. Open the link again, or tell whoever runs this.' },
  })
  refresh.mockResolvedValueOnce('new' as never)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.new'])
})

test.each([['fresh'], [null], [new Error('no network')]])(
  'what an endpoint says of a token (%s) does not concern the one of a newer link',
  async (answer) => {
    let say = (_: string | null): void => {}
    let fail = (_: Error): void => {}
    const refresh = () =>
      new Promise<string | null>((resolve, reject) => {
        say = resolve
        fail = reject
      })
    const { sync } = client({ token: { initial: 'old', refresh } })
    server.open()
    server.socket.closeWith(4401)
    await vi.advanceTimersByTimeAsync(0)
    sync.useToken('of another link')
    if (answer instanceof Error) fail(answer)
    else say(answer)
    await vi.advanceTimersByTimeAsync(0)
    expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.of another link'])
    server.open()
    vi.advanceTimersByTime(0)
    server.answerProbe()
    expect(server.sent.filter(isToken).at(-1)).toEqual({ type: 2, text: 'of another link' })
    expect(sync.status).toEqual({ kind: 'saved' })
  },
)

test('a token that came another way is used at once, also where it had ended', () => {
  const { sync } = client({ token: { initial: 'old' } })
  server.open()
  sync.useToken('second')
  expect(server.sent).toContainEqual({ type: 2, text: 'second' })
  server.socket.closeWith(4401)
  expect(sync.status.kind).toBe('stopped')
  sync.useToken('third')
  expect(server.socket.protocols).toEqual(['confluo', 'confluo.token.third'])
})

test('an expired token without a way to renew it is told as expired', () => {
  const { sync } = client({ token: { initial: tokenThatEnds(-5) } })
  server.socket.open()
  server.socket.closeWith(4401)
  expect(sync.status).toMatchObject({
    kind: 'stopped',
    reason: { code: 4401, meaning: 'Your access ran out.' },
  })
})

test.each([
  [200, '{"token": "fresh"}', 'fresh'],
  [401, '', null],
  [403, '{"token": "not this"}', null],
  [200, '<h1>An error</h1>', 'rejects'],
  [200, '{}', 'rejects'],
  [400, '', 'rejects'],
  [404, '', 'rejects'],
  [429, '', 'rejects'],
  [503, '', 'rejects'],
])('an endpoint that answers %i with %s: %s', async (status, body, token) => {
  vi.stubGlobal('fetch', async () => new Response(body, { status }))
  const answer = await fetchToken('/token', 'old').catch(() => 'rejects')
  vi.unstubAllGlobals()
  expect(answer).toBe(token)
})

function isToken(message: Sent): boolean {
  return message.type === 2 && message.text !== null
}

function tokenThatEnds(inSeconds: number): string {
  return `head.${btoa(JSON.stringify({ exp: Date.now() / 1000 + inSeconds }))}.signature`
}
