import bash from 'highlight.js/lib/languages/bash'
import css from 'highlight.js/lib/languages/css'
import go from 'highlight.js/lib/languages/go'
import java from 'highlight.js/lib/languages/java'
import javascript from 'highlight.js/lib/languages/javascript'
import json from 'highlight.js/lib/languages/json'
import markdown from 'highlight.js/lib/languages/markdown'
import plaintext from 'highlight.js/lib/languages/plaintext'
import python from 'highlight.js/lib/languages/python'
import rust from 'highlight.js/lib/languages/rust'
import sql from 'highlight.js/lib/languages/sql'
import typescript from 'highlight.js/lib/languages/typescript'
import xml from 'highlight.js/lib/languages/xml'
import yaml from 'highlight.js/lib/languages/yaml'
import { createLowlight } from 'lowlight'

/** A stretch of text with the classes that colour it. */
export interface Span {
  from: number
  to: number
  classes: string
}

type Tree = ReturnType<typeof lowlight.highlight>
type TreeNode = Tree['children'][number]

const lowlight = createLowlight({
  bash,
  css,
  go,
  java,
  javascript,
  json,
  markdown,
  plaintext,
  python,
  rust,
  sql,
  typescript,
  xml,
  yaml,
})

/** Every grammar is tried where none is chosen, at every key: beyond this the text stays plain. */
const MAX_GUESSED_CHARACTERS = 10_000
const MAX_CHARACTERS = 100_000

/** The spans of `text`, in order; `language` null has it guessed. */
export function highlight(text: string, language: string | null): Span[] {
  const isKnown = language !== null && lowlight.registered(language)
  if (text.length > (isKnown ? MAX_CHARACTERS : MAX_GUESSED_CHARACTERS)) return []
  const tree = isKnown ? lowlight.highlight(language, text) : lowlight.highlightAuto(text)
  const spans: Span[] = []
  let at = 0
  const visit = (nodes: readonly TreeNode[], inherited: readonly string[]): void => {
    for (const node of nodes) {
      if (node.type === 'text') {
        const from = at
        at += node.value.length
        if (inherited.length > 0) spans.push({ from, to: at, classes: inherited.join(' ') })
      } else if (node.type === 'element') {
        const own = node.properties.className
        visit(node.children, Array.isArray(own) ? [...inherited, ...own.map(String)] : inherited)
      }
    }
  }
  visit(tree.children, [])
  return spans
}
