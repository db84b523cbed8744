import type { Person } from '../model/presence.ts'
import type { SpaceName } from '../model/space-name.ts'

/** Colours that stay readable under white text and on both themes. */
export const PERSON_COLORS = [
  '#0f766e',
  '#b45309',
  '#be3455',
  '#6d4bc4',
  '#1d6fb8',
  '#4d7c0f',
  '#a3388f',
  '#c2410c',
  '#0e7490',
  '#7a5c2e',
] as const

const ANIMALS =
  'Otter Heron Kingfisher Beaver Salmon Dipper Newt Mayfly Trout Egret Turtle Plover Sandpiper Crayfish Moorhen Grebe'.split(
    ' ',
  )
const MAX_RECENT_SPACES = 12

export type Theme = 'system' | 'light' | 'dark'

export interface RecentSpace {
  name: SpaceName
  title: string
  openedAt: number
}

/** Who I am, as I last chose it; a friendly guess at first. */
export function loadPerson(): Person {
  const kept = read('person')
  if (isRecord(kept) && typeof kept.name === 'string' && typeof kept.color === 'string') {
    return { name: kept.name, color: kept.color }
  }
  const person = { name: pick(ANIMALS) ?? 'Otter', color: pick(PERSON_COLORS) ?? '#0f766e' }
  savePerson(person)
  return person
}

export function savePerson(person: Person): void {
  write('person', person)
}

export function loadRecents(): RecentSpace[] {
  const kept = read('recents')
  return Array.isArray(kept) ? kept.filter(isRecentSpace) : []
}

export function rememberSpace(space: RecentSpace): void {
  const others = loadRecents().filter((recent) => recent.name !== space.name)
  write('recents', [space, ...others].slice(0, MAX_RECENT_SPACES))
}

export function forgetSpace(name: SpaceName): void {
  write(
    'recents',
    loadRecents().filter((recent) => recent.name !== name),
  )
}

export function loadTheme(): Theme {
  const kept = readText('theme')
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

/** Kept as bare text because `boot.js` reads it before anything else has loaded. */
export function saveTheme(theme: Theme): void {
  writeText('theme', theme)
}

/** How wide the page is beside the whiteboard, as a share of the window. */
export function loadSplit(): number {
  const kept = read('split')
  return typeof kept === 'number' && kept >= 0.2 && kept <= 0.8 ? kept : 0.44
}

export function saveSplit(share: number): void {
  write('split', share)
}

export type View = 'page' | 'both' | 'board'

export function loadView(): View {
  const kept = read('view')
  return kept === 'page' || kept === 'board' ? kept : 'both'
}

export function saveView(view: View): void {
  write('view', view)
}

export function loadLibrary(): unknown[] | null {
  const kept = read('library')
  return Array.isArray(kept) ? kept : null
}

export function saveLibrary(items: readonly unknown[]): void {
  write('library', items)
}

function isRecentSpace(value: unknown): value is RecentSpace {
  return (
    isRecord(value) &&
    typeof value.name === 'string' &&
    typeof value.title === 'string' &&
    typeof value.openedAt === 'number'
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function pick<T>(choices: readonly T[]): T | undefined {
  return choices[Math.floor(Math.random() * choices.length)]
}

function read(key: string): unknown {
  try {
    return JSON.parse(readText(key) ?? 'null')
  } catch {
    return null
  }
}

function write(key: string, value: unknown): void {
  writeText(key, JSON.stringify(value))
}

/** Storage may be off (a private window, a policy); then nothing is kept and nothing breaks. */
function readText(key: string): string | null {
  try {
    return localStorage.getItem(`confluo:${key}`)
  } catch {
    return null
  }
}

function writeText(key: string, text: string): void {
  try {
    localStorage.setItem(`confluo:${key}`, text)
  } catch {
    // Not kept, as said above.
  }
}
