import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { paced } from './paced.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

test('the first value goes out at once, then the latest of each interval, and the last one always', () => {
  const told: number[] = []
  const { tell } = paced<number>(100, (value) => told.push(value))
  for (let value = 0; value < 25; value++) {
    tell(value)
    vi.advanceTimersByTime(10)
  }
  expect(told).toEqual([0, 9, 19])
  vi.advanceTimersByTime(1000)
  expect(told).toEqual([0, 9, 19, 24])
  tell(25)
  expect(told).toEqual([0, 9, 19, 24, 25])
})

test('an urgent value does not wait, and is not followed by what waited before it', () => {
  const told: string[] = []
  const { tell } = paced<string>(100, (value) => told.push(value))
  tell('first')
  tell('waits')
  tell('urgent', true)
  tell('next')
  expect(told).toEqual(['first', 'urgent'])
  vi.advanceTimersByTime(1000)
  expect(told).toEqual(['first', 'urgent', 'next'])
})

test('what waits when it is stopped is not told', () => {
  const told: string[] = []
  const { tell, stop } = paced<string>(100, (value) => told.push(value))
  tell('first')
  tell('waits')
  stop()
  vi.advanceTimersByTime(1000)
  expect(told).toEqual(['first'])
})
