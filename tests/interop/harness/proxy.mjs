// What stands between a client and the server: a proxy that can fall silent, and a relay that can drop messages.
import { once } from 'node:events'
import { connect as connectSocket, createServer } from 'node:net'
import WebSocket, { WebSocketServer } from 'ws'

const listen = async (t, server) => {
  if (!server.address()) await once(server, 'listening')
  t.after(() => server.close())
  return server.address().port
}

/**
 * Forwards bytes until `fallSilent`, after which neither end hears of the other again, and neither is closed: what a
 * laptop that is shut, or a phone that leaves the cell, looks like. `breakOff` resets what is left of it.
 */
export const silentProxy = async (t, port) => {
  const pairs = []
  const server = createServer((near) => {
    const far = connectSocket(port, '127.0.0.1')
    pairs.push([near, far])
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('error', () => {})
      from.on('data', (chunk) => to.write(chunk))
      from.on('close', () => to.destroy())
    }
  }).listen(0, '127.0.0.1')
  const sockets = () => pairs.flat()
  t.after(() => sockets().forEach((socket) => socket.destroy()))
  return {
    port: await listen(t, server),
    fallSilent: () => sockets().forEach((socket) => {
      socket.removeAllListeners('data')
      socket.removeAllListeners('close')
      // Read and discarded, so that the kernel goes on acknowledging.
      socket.resume()
    }),
    breakOff: () => pairs.forEach(([, far]) => far.resetAndDestroy())
  }
}

/** Forwards WebSocket frames that `keeps(frame, isFromClient)`. The control of the suite: one that drops must be noticed. */
export const frameRelay = async (t, port, keeps) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', (near, request) => {
    const far = new WebSocket(`ws://127.0.0.1:${port}${request.url}`)
    const early = []
    near.on('message', (frame) => {
      if (!keeps(frame, true)) return
      if (far.readyState === WebSocket.OPEN) far.send(frame)
      else early.push(frame)
    })
    far.on('open', () => early.splice(0).forEach((frame) => far.send(frame)))
    far.on('message', (frame) => { if (keeps(frame, false)) near.send(frame) })
    near.on('close', () => far.terminate())
    far.on('close', () => near.terminate())
    far.on('error', () => near.terminate())
  })
  t.after(() => server.clients.forEach((client) => client.terminate()))
  return { port: await listen(t, server) }
}

export const isUpdate = (frame) => frame[0] === 0 && frame[1] === 2
