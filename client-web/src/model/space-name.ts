/** A space's name is its document's name and stands in the link: `/s/<name>`. */
export type SpaceName = string & { readonly __brand: 'SpaceName' }

const MAX_SPACE_NAME_CHARACTERS = 80

const QUALITIES =
  'amber brisk calm clear coral deep early even fern gentle glad golden green hazel high keen late light lucid mellow mild misty new north open pale quiet rapid sandy silver slow small soft south still sunny swift tidal warm west wide wild young'.split(
    ' ',
  )
const PLACES =
  'bay bend bight brook canal cove creek current delta eddy estuary fjord ford gorge harbour inlet island isle lagoon lake meander mill mouth pool quay rapids reach reed ripple river shoal shore source spring strait stream tide torrent valley wake weir well'.split(
    ' ',
  )

/** A readable name that is hard to guess: about 1,900 pairs of words and five letters and digits (33 million). */
export function randomSpaceName(): SpaceName {
  return [pick(QUALITIES), pick(PLACES), randomSuffix(5)].join('-') as SpaceName
}

/** What someone typed, or a pasted link, as a name; null when nothing usable is left. */
export function parseSpaceName(input: string): SpaceName | null {
  const fromLink = /\/s\/([^?#]+)/.exec(input)?.[1]
  const text = fromLink === undefined ? input : safelyDecoded(fromLink)
  const name = text
    .trim()
    .toLowerCase()
    .normalize('NFC')
    .replaceAll(/[\s/\\?#%]+/g, '-')
    .replaceAll(/[^\p{L}\p{N}._-]+/gu, '')
    .replaceAll(/-{2,}/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, MAX_SPACE_NAME_CHARACTERS)
  return name === '' ? null : (name as SpaceName)
}

function safelyDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function pick(words: readonly string[]): string {
  return words[randomBelow(words.length)] ?? 'river'
}

function randomSuffix(length: number): string {
  const alphabet = '23456789abcdefghjkmnpqrstuvwxyz'
  return Array.from({ length }, () => alphabet[randomBelow(alphabet.length)]).join('')
}

/** Unbiased, and without `crypto.randomUUID`, which browsers withhold on plain http. */
function randomBelow(limit: number): number {
  const most = Math.floor(0x1_0000_0000 / limit) * limit
  const words = new Uint32Array(1)
  for (;;) {
    crypto.getRandomValues(words)
    const word = words[0] ?? 0
    if (word < most) return word % limit
  }
}
