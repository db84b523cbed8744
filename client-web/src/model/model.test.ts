import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { describeImageProblem } from './image-limits.ts'
import { readPeers } from './presence.ts'
import { parseSpaceName, randomSpaceName } from './space-name.ts'
import { MAX_TITLE_CHARACTERS, writeTitle } from './title.ts'

function titled(text: string): Y.Text {
  const title = new Y.Doc().getText('title')
  title.insert(0, text)
  return title
}

test.each([
  ['', 'River'],
  ['River', ''],
  ['River', 'Rivers'],
  ['aaaa', 'aaa'],
  ['one two', 'one and two'],
  ['🌊🏞', '🌊🐟🏞'],
  ['🌊', '🌋'],
])('a title goes from %j to %j', (before, after) => {
  const title = titled(before)
  writeTitle(title, after, null)
  expect(title.toString()).toBe(after)
})

test('two people who type in the title at once both keep their letters', () => {
  const one = titled('plan')
  const other = new Y.Doc()
  Y.applyUpdate(other, Y.encodeStateAsUpdate(one.doc as Y.Doc))
  writeTitle(one, 'plan B', null)
  writeTitle(other.getText('title'), 'The plan', null)
  Y.applyUpdate(other, Y.encodeStateAsUpdate(one.doc as Y.Doc))
  expect(other.getText('title').toString()).toBe('The plan B')
})

test('a title is one line of bounded length', () => {
  const title = titled('')
  writeTitle(title, `a\n b${'x'.repeat(500)}`, null)
  expect(title.toString()).toHaveLength(MAX_TITLE_CHARACTERS)
  expect(title.toString()).toMatch(/^a bx+$/)
})

test.each([
  ['quiet-delta', 'quiet-delta'],
  ['  Quiet Delta ', 'quiet-delta'],
  ['https://example.org/s/quiet-delta?x#token=abc', 'quiet-delta'],
  ['/s/caf%C3%A9', 'café'],
  ['a/b\\c', 'a-b-c'],
  ['../../etc', 'etc'],
  ['%', null],
  ['', null],
  ['💥', null],
])('%j names the space %j', (input, name) => {
  expect(parseSpaceName(input)).toBe(name)
})

test('random names are readable, valid and do not repeat', () => {
  const names = Array.from({ length: 500 }, randomSpaceName)
  expect(new Set(names).size).toBe(500)
  for (const name of names) {
    expect(name).toMatch(/^[a-z]+-[a-z]+-[2-9a-z]{5}$/)
    expect(parseSpaceName(name)).toBe(name)
  }
})

test('presence of other programs is read with care', () => {
  const states = new Map<number, Record<string, unknown>>([
    [1, { user: { name: 'Me', color: '#000000' } }],
    [
      9,
      {
        user: { name: 'Ada', color: '#0f766e' },
        pointer: { x: 1, y: 2 },
        selection: ['a', 3],
        pane: 'board',
      },
    ],
    [4, { user: { name: 7, color: 'url(//elsewhere)' }, boardView: { centerX: Number.NaN }, pageScroll: 7 }],
    [5, {}],
  ])
  const peers = readPeers({ clientID: 1, getStates: () => states })
  expect(peers.map((peer) => peer.clientId)).toEqual([4, 9])
  expect(peers[0]).toMatchObject({
    user: { name: 'Someone', color: '#5b6b68' },
    boardView: null,
    pageScroll: 1,
  })
  expect(peers[1]).toMatchObject({
    pane: 'board',
    selection: ['a'],
    pointer: { x: 1, y: 2, tool: 'pointer', button: 'up' },
  })
})

test('a refused image says how large it is and what is allowed', () => {
  expect(describeImageProblem({ kind: 'too-large', bytes: 5 * 1024 * 1024 })).toContain(
    '5 MB. Images up to 4 MB',
  )
})
