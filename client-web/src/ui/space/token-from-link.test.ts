import { expect, test } from 'vitest'
import { chooseToken } from './token-from-link.ts'

function tokenUntil(seconds: number): string {
  return `header.${btoa(JSON.stringify({ exp: seconds }))}.signature`
}

const NOW_MS = 1_000_000
const [expired, soon, late, endless] = [
  tokenUntil(900),
  tokenUntil(1100),
  tokenUntil(1200),
  'no.expiry.token',
]

test.each([
  ['the only one there is', null, late, false, late],
  ['an expired link, where there is no other', expired, null, true, expired],
  ['a link that has just been opened', soon, late, true, soon],
  ['but not an expired one', expired, soon, true, soon],
  ['an old link that Back has brought again does not count', soon, late, false, late],
  ['unless it lasts longer', late, soon, false, late],
  ['or does not end', endless, late, false, endless],
])('%s', (_name, given, kept, isJustOpened, chosen) => {
  expect(chooseToken(given, kept, isJustOpened, NOW_MS)).toBe(chosen)
})
