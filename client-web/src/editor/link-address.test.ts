import { expect, test } from 'vitest'
import { linkAddress } from './link-address.ts'

test.each([
  ['https://example.org/a', 'https://example.org/a'],
  ['  example.org ', 'https://example.org'],
  ['example.org:8080/a?b', 'https://example.org:8080/a?b'],
  ['ada@example.org', 'mailto:ada@example.org'],
  ['mailto:ada@example.org', 'mailto:ada@example.org'],
  ['/s/another-space', '/s/another-space'],
  ['', ''],
])('%j means %j', (typed, address) => {
  expect(linkAddress(typed)).toBe(address)
})
