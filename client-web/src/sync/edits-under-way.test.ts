import { expect, test, vi } from 'vitest'
import { client, server } from './client.fixture.ts'

test('nothing is saved while an edit is being made', () => {
  const { sync, type } = client()
  server.open()
  vi.advanceTimersByTime(0)
  server.answerProbe()
  const end = sync.beginEdit()
  expect(sync.status).toEqual({ kind: 'saving', unsaved: 1 })
  type('a')
  vi.advanceTimersByTime(100)
  server.answerProbe()
  expect(sync.status, 'the server has all but what is being made').toEqual({ kind: 'saving', unsaved: 1 })
  end()
  end()
  expect(sync.status).toEqual({ kind: 'saved' })
})

test('what is being made is counted without a connection, too', () => {
  const { sync, type } = client()
  server.socket.closeWith(1006)
  type('a')
  sync.beginEdit()
  expect(sync.status).toMatchObject({ kind: 'reconnecting', unsaved: 2 })
})

test('all is written when every edit that was begun has ended', async () => {
  const { sync } = client()
  await sync.written()
  const ends = [sync.beginEdit(), sync.beginEdit()]
  let isWritten = false
  const written = sync.written().then(() => {
    isWritten = true
  })
  for (const end of ends) {
    await Promise.resolve()
    expect(isWritten).toBe(false)
    end()
  }
  await written
})
