import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { writeUpdate } from 'y-protocols/sync'
import type { Access } from './status.ts'

/** The message types that this module adds to, or reads beside, the stock provider's. */
export const MESSAGE_SYNC = 0
export const MESSAGE_AUTH = 2
export const MESSAGE_SAVE_STATUS = 102
export const MESSAGE_LINEAGE = 103

const AUTH_DENIED = 0
const AUTH_TOKEN = 1
const AUTH_ACCEPTED = 2

/** Asks for the same number back once everything sent before it is on disk. */
export function encodeSaveProbe(counter: number): Uint8Array<ArrayBuffer> {
  const payload = encoding.createEncoder()
  encoding.writeVarUint(payload, counter)
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, MESSAGE_SAVE_STATUS)
  encoding.writeVarUint8Array(encoder, encoding.toUint8Array(payload))
  return owned(encoder)
}

/** `refused`: the server turned down edits since the last answer. */
export function decodeSaveReply(decoder: decoding.Decoder): { counter: number; refused: boolean } {
  const payload = decoding.createDecoder(decoding.readVarUint8Array(decoder))
  const counter = decoding.readVarUint(payload)
  const refused = decoding.hasContent(decoder) && decoding.readVarUint(decoder) === 1
  return { counter, refused }
}

export function encodeToken(token: string): Uint8Array<ArrayBuffer> {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, MESSAGE_AUTH)
  encoding.writeVarUint(encoder, AUTH_TOKEN)
  encoding.writeVarString(encoder, token)
  return owned(encoder)
}

/** One update in the stock provider's frame. */
export function encodeUpdate(update: Uint8Array): Uint8Array<ArrayBuffer> {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, MESSAGE_SYNC)
  writeUpdate(encoder, update)
  return owned(encoder)
}

export type AuthMessage =
  | { kind: 'denied'; reason: string }
  | { kind: 'accepted'; access: Access }
  | { kind: 'unknown' }

export function decodeAuth(decoder: decoding.Decoder): AuthMessage {
  switch (decoding.readVarUint(decoder)) {
    case AUTH_DENIED:
      return { kind: 'denied', reason: decoding.readVarString(decoder) }
    case AUTH_ACCEPTED:
      return { kind: 'accepted', access: decoding.readVarString(decoder) === 'read' ? 'read' : 'write' }
    default:
      return { kind: 'unknown' }
  }
}

function owned(encoder: encoding.Encoder): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encoding.toUint8Array(encoder))
}
