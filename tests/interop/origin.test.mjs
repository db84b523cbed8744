// Which pages may connect to a server without authentication.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import WebSocket from 'ws'
import { confluoOnly, startServer } from './harness/server.mjs'

const AUTH = 2

/** The close code that a page of this origin gets, or 'open' if the server talks to it. */
const outcome = async (url, origin) => {
  const socket = new WebSocket(`${url}/notes`, { origin })
  const closed = once(socket, 'close').then(([code]) => code)
  // Who is refused is told why first, in an auth message (AU1), and then closed.
  const talked = new Promise((resolve) => {
    socket.on('message', (data) => data[0] === AUTH || resolve('open'))
  })
  const result = await Promise.race([closed, talked])
  socket.close()
  await closed
  return result
}

test('ad6_ a foreign page is closed with 4403, a loopback page and a script are not', confluoOnly, async (t) => {
  const { url, port } = await startServer(t)
  assert.equal(await outcome(url, 'https://evil.example'), 4403)
  assert.equal(await outcome(url, 'null'), 4403)
  assert.equal(await outcome(url, `http://127.0.0.1:${port}`), 'open')
  assert.equal(await outcome(url, 'http://localhost:5173'), 'open')
  assert.equal(await outcome(url, undefined), 'open')
})
