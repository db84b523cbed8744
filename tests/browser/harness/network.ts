import { createServer, type IncomingMessage, request, type Server as HttpServer, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { freePort, type Server } from './server.ts'

const SYNC = 0
const AUTH = 2
const AUTH_ACCEPTED = 2
const SAVE_STATUS = 102
const STEP_1 = 0

/**
 * A network between browser and server that can be cut, and that can lose updates while everything else goes
 * through: the control of every test that says "both see the same".
 */
export class Network {
  readonly port: number
  /** Swallows what clients write into documents; questions, presence and answers pass. */
  losesUpdates = false
  /** Keeps the server's word on what is on disk from everybody until it is set back. */
  #holdsAnswers = false
  readonly #held: (() => void)[] = []
  readonly #server: Server
  readonly #http: HttpServer
  readonly #sockets = new Set<Duplex>()
  readonly #clients = new Set<WebSocket>()
  #isCut = false
  #closing: { code: number; reason: string } | null = null

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
    this.#http = createServer((incoming, outgoing) => this.#forward(incoming, outgoing))
    this.#http.on('connection', (socket) => {
      if (this.#isCut) socket.destroy()
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    const acceptor = new WebSocketServer({ noServer: true })
    this.#http.on('upgrade', (incoming, socket, head) => {
      acceptor.handleUpgrade(incoming, socket, head, (client) => this.#relay(client, incoming))
    })
  }

  static async before(server: Server): Promise<Network> {
    const network = new Network(server, await freePort())
    await new Promise<void>((resolve) => network.#http.listen(network.port, '127.0.0.1', resolve))
    return network
  }

  get url(): string {
    return `http://localhost:${this.port}`
  }

  set holdsAnswers(holds: boolean) {
    this.#holdsAnswers = holds
    if (!holds) for (const release of this.#held.splice(0)) release()
  }

  /** Closes every connection as the server would with `code`, and each new one until `code` is null. */
  closeWith(code: number | null, reason = ''): void {
    this.#closing = code === null ? null : { code, reason }
    if (code !== null) for (const client of this.#clients) client.close(code, reason)
  }

  /** Says to everybody connected that they may only read, as the server does after it has seen a token. */
  sayReadOnly(): void {
    const access = Buffer.from('read')
    for (const client of this.#clients) client.send(Buffer.from([AUTH, AUTH_ACCEPTED, access.length, ...access]))
  }

  /** Nothing passes any more, and what was open breaks. */
  cut(): void {
    this.#isCut = true
    for (const client of this.#clients) client.terminate()
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#isCut = false
  }

  async stop(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#http.close(resolve))
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url, headers } = incoming
    const onward = request({ port: this.#server.port, host: '127.0.0.1', method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  }

  #relay(client: WebSocket, incoming: IncomingMessage): void {
    if (this.#closing !== null) return client.close(this.#closing.code, this.#closing.reason)
    const upstream = new WebSocket(`ws://127.0.0.1:${this.#server.port}${incoming.url}`, {
      headers: { ...(incoming.headers.origin && { origin: incoming.headers.origin }) },
    })
    this.#clients.add(client)
    const waiting: Buffer[] = []
    client.on('message', (data: Buffer) => {
      if (this.losesUpdates && data[0] === SYNC && data[1] !== STEP_1) return
      if (upstream.readyState === WebSocket.OPEN) upstream.send(data)
      else waiting.push(data)
    })
    upstream.on('open', () => {
      for (const data of waiting.splice(0)) upstream.send(data)
    })
    upstream.on('message', (data: Buffer) => {
      if (this.#holdsAnswers && data[0] === SAVE_STATUS) this.#held.push(() => client.send(data))
      else client.send(data)
    })
    upstream.on('error', () => client.terminate())
    upstream.on('close', (code, reason) => {
      if (code >= 1000 && code !== 1005 && code !== 1006) client.close(code, reason)
      else client.terminate()
    })
    client.on('close', () => {
      this.#clients.delete(client)
      upstream.terminate()
    })
  }
}
