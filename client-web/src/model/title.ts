import type * as Y from 'yjs'

/** Longer titles are cut: they no longer fit the places that show them. */
export const MAX_TITLE_CHARACTERS = 120

/**
 * Makes `title` read `next` with the smallest edit, so that two people typing in it at once both keep their letters.
 */
export function writeTitle(title: Y.Text, next: string, origin: unknown): void {
  const before = title.toString()
  const after = truncate(next.replaceAll(/\s*\n\s*/g, ' '), MAX_TITLE_CHARACTERS)
  if (before === after) return
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && before[start] === after[start]) start++
  if (splitsSurrogatePair(before, start) || splitsSurrogatePair(after, start)) start--
  let end = 0
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++
  if (splitsSurrogatePair(before, before.length - end) || splitsSurrogatePair(after, after.length - end))
    end--
  title.doc?.transact(() => {
    title.delete(start, before.length - end - start)
    title.insert(start, after.slice(start, after.length - end))
  }, origin)
}

/** Yjs replicas diverge when an edit cuts a character outside the basic plane in two. */
function splitsSurrogatePair(text: string, index: number): boolean {
  if (index <= 0 || index >= text.length) return false
  const unit = text.charCodeAt(index)
  return unit >= 0xdc00 && unit <= 0xdfff
}

function truncate(text: string, limit: number): string {
  if (text.length <= limit) return text
  return text.slice(0, splitsSurrogatePair(text, limit) ? limit - 1 : limit)
}
