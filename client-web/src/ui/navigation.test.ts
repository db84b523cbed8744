import { expect, test } from 'vitest'
import { addressElsewhere } from './navigation.ts'

const here = new URL('https://here.example')

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

test.each([
  ['other.example/s/plan', 'https://other.example/s/plan'],
  ['10.example.com/s/plan', 'https://10.example.com/s/plan'],
  ['172.32.0.1/s/plan', 'https://172.32.0.1/s/plan'],
  ['here.example:8787/s/plan', null],
  ['localhost:8787/s/plan', 'http://localhost:8787/s/plan'],
  ['printer:8787/s/plan', 'http://printer:8787/s/plan'],
  ['desk.local/s/plan', 'http://desk.local/s/plan'],
  ['127.0.0.1:8787/s/plan', 'http://127.0.0.1:8787/s/plan'],
  ['192.168.0.7:8787/s/plan', 'http://192.168.0.7:8787/s/plan'],
  ['172.20.0.1/s/plan', 'http://172.20.0.1/s/plan'],
  ['http://other.example/s/plan', 'http://other.example/s/plan'],
])('from a page over http, %s leads to %s', (typed, address) => {
  expect(addressElsewhere(typed, new URL('http://here.example:8787'))).toBe(address)
})
