import { expect, test } from 'vitest'
import { CODE_LANGUAGES } from './code-languages.ts'
import { highlight } from './highlight.ts'

test('spans lie in the text, in order, and name what they colour', () => {
  const text = 'const answer = "forty" // two'
  const spans = highlight(text, 'js')
  const found = spans.map(({ from, to, classes }) => [text.slice(from, to), classes])
  expect(found).toContainEqual(['const', 'hljs-keyword'])
  expect(found).toContainEqual(['"forty"', 'hljs-string'])
  expect(found).toContainEqual(['// two', 'hljs-comment'])
  const starts = spans.map(({ from }) => from)
  expect(starts).toEqual([...starts].sort((one, other) => one - other))
})

test.each(CODE_LANGUAGES.filter(({ id }) => id !== 'plaintext'))('$name is known', ({ id }) => {
  // Too long to be guessed, so that only a known language colours it.
  const text = '# "words" <b>1</b> true /* more */ null\n'.repeat(500)
  expect(highlight(text, 'no-such-language')).toEqual([])
  expect(highlight(text, id).length).toBeGreaterThan(0)
})

test('what is not known is guessed, plain text is plain, and what is very long too', () => {
  expect(highlight('let x = 1', 'no-such-language').length).toBeGreaterThan(0)
  expect(highlight('let x = 1', 'plaintext')).toEqual([])
  expect(highlight('let x = 1;\n'.repeat(20_000), 'js')).toEqual([])
})
