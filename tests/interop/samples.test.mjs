// The code of README.md and docs/migrate.md runs as it stands there, but for the address.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as Y from 'yjs'
import { join as joinDocument } from './harness/clients.mjs'
import { confluoOnly, startServer } from './harness/server.mjs'
import { until } from './harness/wait.mjs'

const repository = fileURLToPath(new URL('../../', import.meta.url))

/** The one sample of this page that holds `words`. */
const sampleOf = (page, words) => {
  const text = readFileSync(join(repository, page), 'utf8')
  const samples = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code).filter((code) => code.includes(words))
  assert.equal(samples.length, 1, `${page} has one sample with ${words}`)
  return samples[0]
}

/** A folder in which code finds this folder's packages. */
const workplace = (t) => {
  const cache = fileURLToPath(new URL('node_modules/.cache/', import.meta.url))
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'samples-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

const write = (folder, code) => {
  const file = join(folder, 'sample.mjs')
  writeFileSync(file, code)
  return file
}

/** The code with this server in place of the one that it names. */
const at = (url, code) => code.replaceAll(/ws:\/\/[^']+:8787\/sync/g, url)

test('the client of the README adds a line in each run, which the other run sees', async (t) => {
  const { url } = await startServer(t)
  // A page has a WebSocket, and so has Node from 22 on.
  const polyfill = "import WebSocket from 'ws'\nglobalThis.WebSocket = WebSocket\n"
  const file = write(workplace(t), polyfill + at(url, sampleOf('README.md', "getText('note')")))
  const run = () => {
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => child.kill('SIGKILL'))
    const printed = { text: '' }
    child.stdout.on('data', (chunk) => { printed.text += chunk })
    return printed
  }
  const runs = [run(), run()]
  const seen = () => runs.map(({ text }) => text).join('---\n')
  await until(() => runs.every(({ text }) => text.endsWith('Hello\nHello\n\n')), 'both show two lines', { detail: seen })
})

test('a template is on disk when its recipe says so, and the recipe that follows a document is told', confluoOnly, async (t) => {
  const server = await startServer(t)
  const code = sampleOf('docs/migrate.md', 'createFromTemplate') + sampleOf('docs/migrate.md', 'const follow')
  const file = write(workplace(t), at(server.url, code))
  const { createFromTemplate, follow } = await import(pathToFileURL(file))
  const name = 'notes/a#b?c 100%'
  await createFromTemplate(name, 'any', 'Dear …')
  await server.stop('SIGKILL')
  await server.start()
  const told = []
  const follower = follow(name, 'any', (...what) => told.push(what))
  t.after(() => { follower.destroy(); follower.doc.destroy() })
  follower.on('connection-error', () => {})
  await until(() => told.length > 0, 'it is told')
  assert.deepEqual(told[0], [name, 'Dear …'])
  const reader = await joinDocument(t, server.url, encodeURIComponent(name))
  assert.equal(reader.doc.getText('note').toString(), 'Dear …')
})

/** Runs a sample of the migration beside `update-files.mjs`, and gives the documents that it wrote: name to text. */
const documentsOf = (t, folder, code) => {
  cpSync(join(repository, 'docs/migrate/update-files.mjs'), join(folder, 'update-files.mjs'))
  const { status, stderr } = spawnSync(process.execPath, [write(folder, code)], { cwd: folder, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  const list = readFileSync(join(folder, 'export/documents.tsv'), 'utf8').trimEnd().split('\n').map((line) => line.split('\t'))
  const read = (file) => {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, readFileSync(join(folder, 'export', file)))
    return doc.getText('text').toString()
  }
  return Object.fromEntries(list.map(([file, name]) => [name, read(file)]))
}

const stateOf = (text) => {
  const doc = new Y.Doc()
  doc.getText('text').insert(0, text)
  return Y.encodeStateAsUpdate(doc)
}

test('documents of Hocuspocus in S3 and in Postgres become update files', (t) => {
  const bucket = workplace(t)
  mkdirSync(join(bucket, 'bucket/team'), { recursive: true })
  writeFileSync(join(bucket, 'bucket/notes.bin'), stateOf('some notes'))
  writeFileSync(join(bucket, 'bucket/team/plan.bin'), stateOf('a plan'))
  const expected = { notes: 'some notes', 'team/plan': 'a plan' }
  assert.deepEqual(documentsOf(t, bucket, sampleOf('docs/migrate.md', './bucket')), expected)

  const rows = Object.entries(expected).map(([name, text]) => ({ name, data: [...stateOf(text)] }))
  const database = `const pg = { Client: class {
    async connect () {}
    async query () { return { rows: ${JSON.stringify(rows)}.map(({ name, data }) => ({ name, data: Buffer.from(data) })) } }
    async end () {}
  } }\n`
  const code = sampleOf('docs/migrate.md', 'pg.Client')
  assert.ok(code.includes("import pg from 'pg'\n"))
  assert.deepEqual(documentsOf(t, workplace(t), code.replace("import pg from 'pg'\n", database)), expected)
})
