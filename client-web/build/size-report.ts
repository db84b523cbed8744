import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { Plugin, Rollup } from 'vite'
import { FIRST_FONTS } from './fonts.ts'
import { PUBLIC_FILES } from './offline-manifest.ts'

/** All that a first visit to a space fetches before the whiteboard's own chunk, in bytes as gzip sends them. */
const FIRST_LOAD_BUDGET_BYTES = 350_000

interface Size {
  gzip: number
  brotli: number
}

/** Prints what a visitor downloads, and fails the build when the first load outgrows its budget. */
export function sizeReport(): Plugin {
  let publicFolder = 'public'
  return {
    name: 'confluo-size-report',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      publicFolder = config.publicDir
    },
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((output) => output.type === 'chunk')
      const entry = chunks.find((chunk) => chunk.isEntry && chunk.fileName !== 'sw.js')
      const space = chunks.find((chunk) => chunk.name === 'SpacePage')
      const editor = chunks.find((chunk) => chunk.name === 'PageEditor')
      const whiteboard = chunks.find((chunk) => chunk.name === 'Whiteboard')
      const highlight = chunks.find((chunk) => chunk.name === 'highlight')
      if (!entry || !space || !editor || !whiteboard || !highlight)
        throw new Error('size report: an expected chunk is missing')

      const page = pageFiles(publicFolder, bundle)
      const home = closure(bundle, [entry])
      const firstLoad = closure(bundle, [entry, space, editor])
      const board = new Set([...closure(bundle, [whiteboard])].filter((name) => !firstLoad.has(name)))
      const code = new Set([...closure(bundle, [highlight])].filter((name) => !firstLoad.has(name)))
      const sum = (names: Set<string>): Size => total([...names].map((name) => outputOf(bundle, name)))
      const fonts = sum(firstFonts(bundle))
      const first = added(added(sum(firstLoad), total(page)), fonts)
      const rows: [string, Size][] = [
        ['home', added(added(sum(home), total(page)), fonts)],
        ['first load of a space', first],
        ['  of it fonts', fonts],
        ['then the whiteboard', sum(board)],
        ['with the first code', sum(code)],
      ]
      const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`.padStart(11)
      for (const [label, size] of rows) {
        this.info(`${label.padEnd(22)} gzip ${kilobytes(size.gzip)}   brotli ${kilobytes(size.brotli)}`)
      }
      const spent = first.gzip
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

/** A browser fetches the faces of other scripts and styles only where the page holds them. */
function firstFonts(bundle: Rollup.OutputBundle): Set<string> {
  return new Set(Object.keys(bundle).filter((name) => FIRST_FONTS.test(name)))
}

interface SentFile {
  name: string
  bytes: Buffer
}

function outputOf(bundle: Rollup.OutputBundle, name: string): SentFile {
  const output = bundle[name]
  if (output === undefined) throw new Error(`size report: ${name} is not in the build`)
  return { name, bytes: Buffer.from(output.type === 'chunk' ? output.code : output.source) }
}

function pageFiles(publicFolder: string, bundle: Rollup.OutputBundle): SentFile[] {
  const read = (name: string): SentFile => ({ name, bytes: readFileSync(join(publicFolder, name)) })
  return [outputOf(bundle, 'index.html'), ...PUBLIC_FILES.map(read)]
}

function total(files: readonly SentFile[]): Size {
  return files.map(sizeOf).reduce(added, { gzip: 0, brotli: 0 })
}

function sizeOf({ name, bytes }: SentFile): Size {
  // Fonts are compressed in themselves.
  if (name.endsWith('.woff2')) return { gzip: bytes.length, brotli: bytes.length }
  return { gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotliCompressSync(bytes).length }
}

function added(one: Size, other: Size): Size {
  return { gzip: one.gzip + other.gzip, brotli: one.brotli + other.brotli }
}
