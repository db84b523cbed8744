import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'

/** Which folders a folder may import from, beside itself: the arrows of the README. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  model: [],
  sync: [],
  local: ['model'],
  parts: [],
  editor: ['model', 'parts'],
  whiteboard: ['model', 'parts'],
  ui: ['model', 'sync', 'local', 'parts', 'editor', 'whiteboard', 'styles'],
}

/** Packages that a folder may use, where that is part of what it is. */
const MAY_USE: Record<string, RegExp> = {
  model: /^(yjs|lib0|y-protocols)(\/|$)/,
  sync: /^(yjs|lib0|y-protocols|y-websocket)(\/|$)/,
}

const IMPORT = /(?:from|import) ['"]([^'"]+)['"]|import\(['"]([^'"]+)['"]\)/g

function sources(folder: string): { file: string; text: string }[] {
  return readdirSync(join(import.meta.dirname, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !/\.(test|fixture)\.ts$|fake-server/.test(name))
    .map((name) => {
      const file = join(folder, name)
      return { file, text: readFileSync(join(import.meta.dirname, file), 'utf8') }
    })
}

function imports(text: string): string[] {
  return [...text.matchAll(IMPORT)].map((found) => found[1] ?? found[2] ?? '')
}

for (const [folder, allowed] of Object.entries(MAY_IMPORT)) {
  test(`${folder} imports from ${allowed.join(', ') || 'no other folder'}`, () => {
    for (const { file, text } of sources(folder)) {
      for (const path of imports(text).filter((imported) => imported.startsWith('.'))) {
        const target = relative('.', join(file, '..', path)).split('/')[0] ?? ''
        expect([folder, ...allowed], `${file} imports ${path}`).toContain(target)
      }
      const packages = imports(text).filter((imported) => !imported.startsWith('.'))
      for (const name of packages) expect(name, file).toMatch(MAY_USE[folder] ?? /./)
    }
  })
}

test('sync and model know no DOM', () => {
  for (const { file, text } of [...sources('sync'), ...sources('model')]) {
    const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*|'[^'\n]*'/g, '')
    expect(code, file).not.toMatch(/\b(?:window|navigator|localStorage|location|indexedDB)\b|\bdocument\./)
  }
})
