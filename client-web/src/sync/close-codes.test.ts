import { expect, test } from 'vitest'
import table from '../../../fixtures/close-codes.json' with { type: 'json' }
import { CLOSE_REASONS, closeReason } from './close-codes.ts'

test('the table is the one that every implementation shares', () => {
  const ours = CLOSE_REASONS.map(({ code, name, permanent }) => ({ code, name, permanent }))
  expect(ours).toEqual(table)
})

test('every reason says what happened and what to do', () => {
  for (const reason of CLOSE_REASONS) {
    expect(reason.meaning, reason.name).toMatch(/^[A-Z].*\.$/)
    expect(reason.advice, reason.name).toMatch(/^[A-Z].*\.$/)
  }
})

test.each([
  [1006, false],
  [4499, true],
  [4500, false],
])('an unknown code %i is permanent: %s', (code, permanent) => {
  expect(closeReason(code)).toMatchObject({ code, permanent, name: 'unknown' })
})
