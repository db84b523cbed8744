// What a document holds whose shared types are used as several kinds at once, as hostile updates use them: the same shape
// as `confluo_testkit::mixed` writes from a yrs document.
//
// The lists and maps under a shared type are read directly, for Yjs shows of a type only what its own kind may hold.
import * as Y from 'yjs'
import { deleteSet, describeValue, sortedJson, stateVector } from '../../fixtures/make/describe.mjs'

const kindOf = (type) => {
  switch (type.constructor) {
    case Y.Text: return 'text'
    case Y.Array: return 'array'
    case Y.Map: return 'map'
    case Y.XmlElement: return `element ${type.nodeName}`
    case Y.XmlFragment: return 'fragment'
    case Y.XmlText: return 'xml text'
    default: return type.constructor.name
  }
}

const describe = (value, reader) => {
  if (value instanceof Y.AbstractType) return describeShared(kindOf(value), value, reader)
  if (value instanceof Y.Doc) return { $doc: { guid: value.guid, autoLoad: value.autoLoad } }
  return describeValue(Y, value)
}

/** What stands in a shared type's list and is not deleted. */
const shown = (type) => {
  const items = []
  for (let item = type._start; item !== null; item = item.right) if (!item.deleted) items.push(item)
  return items
}

/** The same list as a text that Yjs shows, with its formatting. */
const runsOf = (type, reader) => {
  const text = new Y.Text()
  text._pending = null
  text.doc = type.doc
  text._start = type._start
  const runs = []
  for (const { insert, attributes = {} } of text.toDelta()) {
    const kept = Object.entries(attributes).filter(([, value]) => value !== null)
    const run = [describe(insert, reader), describeValue(Y, Object.fromEntries(kept))]
    const last = runs.at(-1)
    const joins = last && typeof last[0] === 'string' && typeof run[0] === 'string'
    if (joins && sortedJson(last[1]) === sortedJson(run[1])) last[0] += run[0]
    else runs.push(run)
  }
  return runs
}

/** What a key shows. A text in that place, which no client writes, Yjs cuts down to its last unit, and yrs shows whole. */
const entryOf = (item, reader) =>
  reader === 'yrs' && item.content instanceof Y.ContentString ? item.content.str : item.content.getContent()[item.length - 1]

const describeShared = (kind, type, reader) => {
  const items = shown(type)
  const isText = items.some((item) => item.content instanceof Y.ContentString)
  const list = isText ? [] : items.filter((item) => item.countable).flatMap((item) => item.content.getContent())
  // Of a formatting mark in that place Yjs shows a key without a value, and yrs none.
  const isShown = (item) => !item.deleted && !(reader === 'yrs' && item.content instanceof Y.ContentFormat)
  const entries = [...type._map].filter(([, item]) => isShown(item))
  const map = Object.fromEntries(entries.map(([key, item]) => [key, describe(entryOf(item, reader), reader)]))
  return { kind, list: list.map((value) => describe(value, reader)), runs: runsOf(type, reader), map }
}

const NOTHING = sortedJson({ kind: 'root', list: [], runs: [], map: {} })

/** Content, state vector and delete set, as Yjs reads them, or as 'yrs' does. Roots that hold nothing are left out. */
export const describeMixed = (doc, reader = 'Yjs') => {
  const roots = [...doc.share].map(([name, type]) => [name, describeShared('root', type, reader)])
  const content = Object.fromEntries(roots.filter(([, root]) => sortedJson(root) !== NOTHING))
  return { content, stateVector: stateVector(Y, doc), deleteSet: deleteSet(Y, doc) }
}
