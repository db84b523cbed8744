import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { Plugin, Rollup } from 'vite'

/** The budget of a first visit's code and styles, before the whiteboard's own chunk, in bytes as gzip sends them. */
const FIRST_LOAD_BUDGET_BYTES = 350_000

interface Size {
  gzip: number
  brotli: number
}

/** Prints what a visitor downloads, and fails the build when the first load outgrows its budget. */
export function sizeReport(): Plugin {
  return {
    name: 'confluo-size-report',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((output) => output.type === 'chunk')
      const entry = chunks.find((chunk) => chunk.isEntry && chunk.fileName !== 'sw.js')
      const space = chunks.find((chunk) => chunk.name === 'SpacePage')
      const editor = chunks.find((chunk) => chunk.name === 'PageEditor')
      const whiteboard = chunks.find((chunk) => chunk.name === 'Whiteboard')
      const highlight = chunks.find((chunk) => chunk.name === 'highlight')
      if (!entry || !space || !editor || !whiteboard || !highlight)
        throw new Error('size report: an expected chunk is missing')

      const home = closure(bundle, [entry])
      const firstLoad = closure(bundle, [entry, space, editor])
      const board = new Set([...closure(bundle, [whiteboard])].filter((name) => !firstLoad.has(name)))
      const code = new Set([...closure(bundle, [highlight])].filter((name) => !firstLoad.has(name)))
      const rows: [string, Size][] = [
        ['home', total(bundle, home)],
        ['first load of a space', total(bundle, firstLoad)],
        ['  its two fonts', total(bundle, latinFonts(bundle))],
        ['then the whiteboard', total(bundle, board)],
        ['with the first code', total(bundle, code)],
      ]
      const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`.padStart(11)
      for (const [label, size] of rows) {
        this.info(`${label.padEnd(22)} gzip ${kilobytes(size.gzip)}   brotli ${kilobytes(size.brotli)}`)
      }
      const spent = total(bundle, firstLoad).gzip
      if (spent > FIRST_LOAD_BUDGET_BYTES) {
        this.error(
          `the first load is ${kilobytes(spent).trim()}, over its budget of ${kilobytes(FIRST_LOAD_BUDGET_BYTES).trim()}`,
        )
      }
    },
  }
}

function closure(bundle: Rollup.OutputBundle, roots: Rollup.OutputChunk[]): Set<string> {
  const names = new Set<string>()
  const visit = (chunk: Rollup.OutputChunk): void => {
    if (names.has(chunk.fileName)) return
    names.add(chunk.fileName)
    for (const css of chunk.viteMetadata?.importedCss ?? []) names.add(css)
    for (const imported of chunk.imports) {
      const next = bundle[imported]
      if (next?.type === 'chunk') visit(next)
    }
  }
  for (const root of roots) visit(root)
  return names
}

/** A browser fetches the faces of other scripts only where the page holds them. */
function latinFonts(bundle: Rollup.OutputBundle): Set<string> {
  return new Set(Object.keys(bundle).filter((name) => /-latin-wght-normal-.*\.woff2$/.test(name)))
}

function total(bundle: Rollup.OutputBundle, names: Set<string>): Size {
  const size = { gzip: 0, brotli: 0 }
  for (const name of names) {
    const output = bundle[name]
    if (output === undefined) continue
    const bytes = Buffer.from(output.type === 'chunk' ? output.code : output.source)
    if (name.endsWith('.woff2')) {
      size.gzip += bytes.length
      size.brotli += bytes.length
      continue
    }
    size.gzip += gzipSync(bytes, { level: 9 }).length
    size.brotli += brotliCompressSync(bytes).length
  }
  return size
}
