import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as syncProtocol from 'y-protocols/sync'
import * as Y from 'yjs'

/** What a client sent, as far as the tests look at it. */
export type Sent = { type: number; text: string | null }

/**
 * A server without a network: it answers the sync messages from a document of its own, and the rest when the test
 * says so. Each connection is a `FakeSocket`, given to the client in place of a WebSocket.
 */
export class FakeServer {
  readonly doc = new Y.Doc()
  readonly sockets: FakeSocket[] = []
  readonly sent: Sent[] = []
  /** Takes no edits from anybody. */
  isReadOnly = false
  /** Save probes that wait for an answer, oldest first. */
  readonly probes: Uint8Array[] = []

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1)
    if (socket === undefined) throw new Error('nobody has connected')
    return socket
  }

  /** The class to hand to the client; each instance talks to this server. */
  get WebSocket(): typeof WebSocket {
    const server = this
    return class extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(server, url, protocols)
      }
    } as unknown as typeof WebSocket
  }

  receive(socket: FakeSocket, bytes: Uint8Array): void {
    const decoder = decoding.createDecoder(bytes)
    const type = decoding.readVarUint(decoder)
    const isEdit = type === 0 && decoding.peekVarUint(decoder) !== syncProtocol.messageYjsSyncStep1
    if (type === 0 && !(isEdit && this.isReadOnly)) {
      const encoder = encoding.createEncoder()
      encoding.writeVarUint(encoder, 0)
      syncProtocol.readSyncMessage(decoder, encoder, this.doc, socket)
      if (encoding.length(encoder) > 1) socket.deliver(encoding.toUint8Array(encoder))
    }
    if (type === 102) this.probes.push(decoding.readVarUint8Array(decoder))
    const isToken = type === 2 && decoding.readVarUint(decoder) === 1
    this.sent.push({ type, text: isToken ? decoding.readVarString(decoder) : null })
  }

  /** Opens the client's latest socket and asks what it has, as the reference server does. */
  open(): void {
    this.socket.open()
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, 0)
    syncProtocol.writeSyncStep1(encoder, this.doc)
    this.socket.deliver(encoding.toUint8Array(encoder))
  }

  answerProbe(refused = false): void {
    const payload = this.probes.shift()
    if (payload === undefined) throw new Error('no probe waits')
    this.deliver((encoder) => {
      encoding.writeVarUint(encoder, 102)
      encoding.writeVarUint8Array(encoder, payload)
      if (refused) encoding.writeVarUint(encoder, 1)
    })
  }

  tellLineage(lineage: string, socket = this.socket): void {
    this.deliver((encoder) => {
      encoding.writeVarUint(encoder, 103)
      encoding.writeVarString(encoder, lineage)
    }, socket)
  }

  tellAccess(access: 'read' | 'write'): void {
    this.deliver((encoder) => {
      encoding.writeVarUint(encoder, 2)
      encoding.writeVarUint(encoder, 2)
      encoding.writeVarString(encoder, access)
    })
  }

  private deliver(write: (encoder: encoding.Encoder) => void, socket = this.socket): void {
    const encoder = encoding.createEncoder()
    write(encoder)
    socket.deliver(encoding.toUint8Array(encoder))
  }
}

export class FakeSocket {
  readonly OPEN = 1
  readyState = 0
  binaryType = ''
  onopen: (() => void) | null = null
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  onerror: (() => void) | null = null
  readonly #server: FakeServer
  readonly url: string
  readonly protocols: string[]

  constructor(server: FakeServer, url: string, protocols: string[]) {
    this.#server = server
    this.url = url
    this.protocols = protocols
    server.sockets.push(this)
  }

  open(): void {
    this.readyState = 1
    this.onopen?.()
  }

  send(bytes: Uint8Array): void {
    this.#server.receive(this, bytes)
  }

  deliver(bytes: Uint8Array): void {
    const data = new Uint8Array(bytes).buffer
    this.onmessage?.({ data })
  }

  closeWith(code: number, reason = ''): void {
    this.readyState = 3
    this.onclose?.({ code, reason })
  }

  close(): void {
    this.readyState = 3
  }
}
