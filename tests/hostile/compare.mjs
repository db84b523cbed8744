// Whether a Yjs document holds what the server holds, and if not, in what.
import * as Y from 'yjs'
import { sortedJson } from '../../fixtures/make/describe.mjs'
import { describeMixed } from './mixed.mjs'

/** Ids of `ranges` that are not in `others`, as `client clock`. */
const missingIn = (ranges, others) => {
  const found = []
  for (const [client, runs] of Object.entries(ranges)) {
    const known = others[client] ?? []
    for (const [start, length] of runs) {
      for (let clock = start; clock < start + length; clock += 1) {
        if (!known.some(([from, count]) => from <= clock && clock < from + count)) found.push([Number(client), clock])
      }
    }
  }
  return found
}

const isFormat = (structs, [client, clock]) => {
  const struct = structs.find(({ id, length }) => id.client === client && id.clock <= clock && clock < id.clock + length)
  return struct?.content instanceof Y.ContentFormat
}

/** `undefined` if they are equal; else `what` differs, or by what `known` name. */
export const compare = (doc, { holds, structs }) => {
  if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) return { what: 'something is left waiting' }
  const { content, stateVector, deleteSet } = describeMixed(doc)
  if (sortedJson(stateVector) !== sortedJson(holds.stateVector)) return { what: 'the state vectors differ' }
  const isOddKey = sortedJson(content) !== sortedJson(holds.content)
  if (isOddKey && sortedJson(describeMixed(doc, 'yrs').content) !== sortedJson(holds.content)) {
    return { what: `Yjs shows ${sortedJson(content)}, the server holds ${sortedJson(holds.content)}` }
  }
  const lacks = missingIn(holds.deleteSet, deleteSet)
  if (lacks.length > 0) return { what: `not deleted in Yjs: ${lacks.join('; ')}` }
  const more = missingIn(deleteSet, holds.deleteSet)
  if (!more.every((id) => isFormat(structs, id))) return { what: `deleted in Yjs only: ${more.join('; ')}` }
  if (isOddKey) return { known: 'a text or a formatting mark as the value of a key, which Yjs and yrs show differently' }
  if (more.length > 0) return { known: 'formatting marks without effect, which Yjs tidies up as it reads' }
}
