import { expect, test } from 'vitest'
import { addressElsewhere } from './navigation.ts'

const here = { origin: 'https://here.example', protocol: 'https:' }

test.each([
  ['quiet-delta-4f7kq', null],
  ['notes: monday', null],
  ['team/s/plan', null],
  ['/s/plan#token=a.b.c', null],
  ['https://here.example/s/plan#token=a.b.c', null],
  ['HTTPS://HERE.example:443/s/plan', null],
  ['here.example/s/plan', null],
  [' https://other.example/s/plan#token=a.b.c ', 'https://other.example/s/plan#token=a.b.c'],
  ['https://here.example:8787/s/plan', 'https://here.example:8787/s/plan'],
  ['other.example/s/plan#token=a.b.c', 'https://other.example/s/plan#token=a.b.c'],
  ['localhost:8787/s/plan', 'https://localhost:8787/s/plan'],
  ['https://', null],
  ['javascript:alert(1)//https://other.example/s/plan', null],
])('%s leads elsewhere: %s', (typed, address) => {
  expect(addressElsewhere(typed, here)).toBe(address)
})
