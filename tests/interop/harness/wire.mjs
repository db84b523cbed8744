// A client that speaks the bytes itself: it sees every frame, never expires anybody and sends only what it is told to.
import { once } from 'node:events'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { until } from './wait.mjs'

export const hex = (bytes) => Buffer.from(bytes).toString('hex')
export const fromHex = (text) => Uint8Array.from(Buffer.from(text, 'hex'))

/** One message as bytes. Numbers are varUints, strings varStrings, byte arrays varUint8Arrays. */
export const message = (...parts) => {
  const encoder = encoding.createEncoder()
  for (const part of parts) {
    if (typeof part === 'number') encoding.writeVarUint(encoder, part)
    else if (typeof part === 'string') encoding.writeVarString(encoder, part)
    else encoding.writeVarUint8Array(encoder, part)
  }
  return encoding.toUint8Array(encoder)
}

export const step1 = (doc = new Y.Doc()) => message(0, 0, Y.encodeStateVector(doc))
export const step2 = (update) => message(0, 1, update)
export const update = (bytes) => message(0, 2, bytes)
export const saveStatus = (bytes) => message(102, Uint8Array.from(bytes))

/** An awareness message of `[client, clock, state]`. */
export const awareness = (...entries) => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, entries.length)
  for (const [client, clock, state] of entries) {
    encoding.writeVarUint(encoder, client)
    encoding.writeVarUint(encoder, clock)
    encoding.writeVarString(encoder, JSON.stringify(state))
  }
  return message(1, encoding.toUint8Array(encoder))
}

const readEntries = (payload) => {
  const decoder = decoding.createDecoder(payload)
  return Array.from({ length: decoding.readVarUint(decoder) }, () => ({
    client: decoding.readVarUint(decoder),
    clock: decoding.readVarUint(decoder),
    state: JSON.parse(decoding.readVarString(decoder))
  }))
}

/** Reads the one message of a frame, and what follows it. */
export const read = (frame) => {
  const decoder = decoding.createDecoder(new Uint8Array(frame))
  const type = decoding.readVarUint(decoder)
  const rest = () => decoding.readTailAsUint8Array(decoder)
  switch (type) {
    case 0: {
      const kind = ['step1', 'step2', 'update'][decoding.readVarUint(decoder)]
      return { kind, payload: decoding.readVarUint8Array(decoder), rest: rest() }
    }
    case 1: return { kind: 'awareness', entries: readEntries(decoding.readVarUint8Array(decoder)), rest: rest() }
    case 2: return { kind: 'auth', sub: decoding.readVarUint(decoder), text: decoding.readVarString(decoder), rest: rest() }
    case 102: return { kind: 'save-status', payload: decoding.readVarUint8Array(decoder), rest: rest() }
    case 103: return { kind: 'lineage', text: decoding.readVarString(decoder), rest: rest() }
    default: return { kind: `type ${type}`, rest: rest() }
  }
}

class WireClient {
  constructor (socket) {
    this.socket = socket
    this.messages = []
    this.closed = null
    socket.on('message', (data) => this.messages.push(read(data)))
    socket.on('close', (code, reason) => { this.closed = { code, reason: reason.toString() } })
    socket.on('error', () => {})
  }

  send (...frames) {
    frames.forEach((frame) => this.socket.send(frame))
  }

  of (kind) {
    return this.messages.filter((each) => each.kind === kind)
  }

  /** Every awareness entry that was received, in order. */
  get entries () {
    return this.of('awareness').flatMap(({ entries }) => entries)
  }

  /** Waits for the first message of a kind after the first `skip` of them. */
  async first (kind, { skip = 0, within } = {}) {
    await until(() => this.of(kind).length > skip || this.closed, `a message ${kind}`, { within })
    const found = this.of(kind)[skip]
    if (!found) throw new Error(`closed with ${JSON.stringify(this.closed)} before a message ${kind}`)
    return found
  }

  async whenClosed (within) {
    await until(() => this.closed, 'the connection is closed', { within })
    return this.closed
  }
}

/** Opens a connection, and ends it with the test. */
export const open = async (t, address, options = {}) => {
  const socket = new WebSocket(address, options)
  t.after(() => socket.terminate())
  const client = new WireClient(socket)
  await once(socket, 'open')
  return client
}
