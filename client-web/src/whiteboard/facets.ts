import * as Y from 'yjs'
import type { BoardEntry } from '../model/space.ts'

/** What the binding must know of a whiteboard element; the rest it carries without looking at it. */
export interface BoardElement {
  readonly id: string
  readonly version: number
  readonly versionNonce: number
  readonly isDeleted: boolean
  readonly index: string | null
}

/**
 * How an element is kept: one entry per element, and in it one key per *facet*. Two people who change different
 * facets of one element at once both keep their change; within a facet the last writer wins, the same on every
 * replica. Properties share a facet when half of one change and half of another would make a broken shape.
 *
 * Dragging writes only `place`, so a long drag is a run of overwrites of one key, which Yjs collapses.
 */
const PLACE = 'place'
const FORM = 'form'

/** An arrow's points fit its size and its bindings; a text's size fits its words and its font. */
const FORM_PROPERTIES = new Set([
  'width',
  'height',
  'points',
  'pressures',
  'simulatePressure',
  'lastCommittedPoint',
  'startBinding',
  'endBinding',
  'elbowed',
  'fixedSegments',
  'startIsSpecial',
  'endIsSpecial',
  'text',
  'originalText',
  'fontSize',
  'fontFamily',
  'lineHeight',
  'autoResize',
  'scale',
  'crop',
])

/** Bookkeeping of one replica, meaningless to another. */
const LOCAL_PROPERTIES = new Set([
  'id',
  'version',
  'versionNonce',
  'updated',
  'isDeleted',
  'status',
  'x',
  'y',
  'boundElements',
])

/** Arrows and labels that hang on an element are a set: two people who attach one each keep both. */
const BOUND_PREFIX = 'bound:'

/** Sixty-fourths of a pixel, invisible, and half the size of an arbitrary number on the wire. */
const POINT_STEPS = 64

export type Facets = Map<string, unknown>

/** The facets of a scene's element, as they are kept. */
export function toFacets(element: BoardElement): Facets {
  const facets: Facets = new Map()
  const source: Readonly<Record<string, unknown>> = { ...element }
  const form: Record<string, unknown> = {}
  for (const [property, value] of Object.entries(source)) {
    if (value === undefined || LOCAL_PROPERTIES.has(property)) continue
    if (FORM_PROPERTIES.has(property)) form[property] = value
    else facets.set(property, value)
  }
  if (source.type === 'freedraw' && Array.isArray(form.points)) form.points = form.points.map(roundedPoint)
  facets.set(PLACE, [source.x, source.y])
  facets.set(FORM, form)
  for (const bound of boundElements(source.boundElements)) facets.set(BOUND_PREFIX + bound.id, bound.type)
  return facets
}

/**
 * Writes what differs from `base`, what the scene and the entry last had in common, and brings `base` up to it. What
 * somebody else has changed in the entry meanwhile stays, though the scene does not show it yet. Returns roughly how
 * many bytes that was.
 */
export function writeFacets(entry: BoardEntry, facets: Facets, base: Facets): number {
  let written = 0
  for (const [key, value] of facets) {
    if (isSameJson(base.get(key), value)) continue
    const copy = structuredClone(value)
    base.set(key, copy)
    if (isSameJson(entry.get(key), copy)) continue
    entry.set(key, copy)
    written += key.length + roughSize(copy)
  }
  for (const key of base.keys()) {
    if (facets.has(key)) continue
    base.delete(key)
    entry.delete(key)
    written += key.length
  }
  return written
}

/** What the entry says now; values of an entry are replaced, never changed. */
export function facetsOf(entry: BoardEntry): Facets {
  return new Map(entry.entries())
}

/** The entry as a scene's element; null for one that somebody else's program left without its essentials. */
export function fromEntry(id: string, entry: BoardEntry, version: number): BoardElement | null {
  const element: Record<string, unknown> = {
    id,
    version,
    versionNonce: randomNonce(),
    isDeleted: false,
    updated: 1,
    index: null,
  }
  const bound: { id: string; type: unknown }[] = []
  let hasPlace = false
  for (const [key, value] of entry.entries()) {
    if (key === PLACE) {
      if (!Array.isArray(value) || !value.slice(0, 2).every(Number.isFinite)) return null
      element.x = value[0]
      element.y = value[1]
      hasPlace = value.length >= 2
    } else if (key === FORM) {
      if (typeof value !== 'object' || value === null) return null
      Object.assign(element, structuredClone(value))
    } else if (key.startsWith(BOUND_PREFIX)) {
      bound.push({ id: key.slice(BOUND_PREFIX.length), type: value })
    } else {
      element[key] = structuredClone(value)
    }
  }
  if (!hasPlace || typeof element.type !== 'string') return null
  if (!Number.isFinite(element.width) || !Number.isFinite(element.height)) return null
  if (element.type === 'image') element.status = 'saved'
  bound.sort((one, other) => (one.id < other.id ? -1 : 1))
  element.boundElements = bound.length === 0 ? null : bound
  return element as unknown as BoardElement
}

export function newEntry(facets: Facets): BoardEntry {
  return new Y.Map([...facets].map(([key, value]) => [key, structuredClone(value)]))
}

/** The drawing order: by fractional index, and by id where two people inserted at the same place at once. */
export function compareOrder(one: BoardElement, other: BoardElement): number {
  const [oneIndex, otherIndex] = [one.index ?? '', other.index ?? '']
  if (oneIndex !== otherIndex) return oneIndex < otherIndex ? -1 : 1
  if (one.id === other.id) return 0
  return one.id < other.id ? -1 : 1
}

export function isSameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const [oneRecord, otherRecord] = [one as Record<string, unknown>, other as Record<string, unknown>]
  const keys = Object.keys(oneRecord)
  if (keys.length !== Object.keys(otherRecord).length) return false
  return keys.every((key) => isSameJson(oneRecord[key], otherRecord[key]))
}

function boundElements(value: unknown): { id: string; type: unknown }[] {
  return Array.isArray(value) ? value.filter((bound) => typeof bound?.id === 'string') : []
}

function roundedPoint(point: unknown): unknown {
  if (!Array.isArray(point)) return point
  return point.map((value) =>
    typeof value === 'number' ? Math.round(value * POINT_STEPS) / POINT_STEPS : value,
  )
}

function roughSize(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + roughSize(item), 2)
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).reduce((sum, [key, item]) => sum + key.length + roughSize(item), 2)
  }
  return 5
}

function randomNonce(): number {
  return Math.floor(Math.random() * 0x7fff_ffff)
}
