// The recipes of docs/migrate.md, against stores that the old servers' own packages wrote, and into the real `confluo doc import`.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SQLite } from '@hocuspocus/extension-sqlite'
import { LeveldbPersistence } from 'y-leveldb'
import * as Y from 'yjs'
import { join as joinDocument } from './harness/clients.mjs'
import { findBinary, isReference, startServer, temporaryFolder } from './harness/server.mjs'

const recipes = fileURLToPath(new URL('../../docs/migrate/', import.meta.url))

/** Runs a recipe where it finds this folder's packages, in place of its own. */
const runRecipe = (t, script, from, to) => {
  const cache = fileURLToPath(new URL('node_modules/.cache/', import.meta.url))
  mkdirSync(cache, { recursive: true })
  const copy = mkdtempSync(join(cache, 'migrate-'))
  t.after(() => rmSync(copy, { recursive: true }))
  cpSync(recipes, copy, { recursive: true, filter: (path) => !path.includes('node_modules') })
  return execFileSync(process.execPath, [join(copy, script), from, to], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

const makeDoc = (text) => {
  const doc = new Y.Doc()
  doc.getText('text').insert(0, text)
  doc.getText('text').format(0, 2, { bold: true })
  doc.getMap('map').set('list', new Y.Array())
  doc.getMap('map').get('list').push([1, 'two', null])
  doc.getText('text').delete(1, 1)
  return doc
}

const documents = { notes: 'plain notes', 'team/plan 🗺': 'a plan with spaces and emoji', 'ünï': 'a third one' }

const readList = (folder) => readFileSync(join(folder, 'documents.tsv'), 'utf8').trimEnd().split('\n').map((line) => line.split('\t'))

/** The update files hold the same documents as the old store; and so does a server into which they are imported. */
const checkMoved = async (t, folder, moved) => {
  const list = readList(folder)
  assert.deepEqual(list.map(([, name]) => name).sort(), Object.keys(moved).sort())
  for (const [file, name] of list) {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, readFileSync(join(folder, file)))
    assert.deepEqual(doc.getText('text').toDelta(), moved[name].getText('text').toDelta(), name)
  }
  if (isReference) return
  const dataDir = temporaryFolder(t)
  for (const [file, name] of [...list, ...list]) {
    execFileSync(findBinary(), ['doc', 'import', name, join(folder, file), '--data-dir', dataDir], { stdio: 'pipe' })
  }
  execFileSync(findBinary(), ['doc', 'verify', '--data-dir', dataDir], { stdio: 'pipe' })
  const { url } = await startServer(t, { dataDir })
  for (const [name, doc] of Object.entries(moved)) {
    const here = await joinDocument(t, url, encodeURIComponent(name))
    assert.deepEqual(here.text.toDelta(), doc.getText('text').toDelta(), name)
    assert.deepEqual(here.doc.getMap('map').toJSON(), doc.getMap('map').toJSON(), name)
  }
}

const made = (text) => Object.fromEntries(Object.entries(text).map(([name, words]) => [name, makeDoc(words)]))

test('from y-leveldb', async (t) => {
  const [from, to] = [temporaryFolder(t), temporaryFolder(t)]
  const moved = made(documents)
  const store = new LeveldbPersistence(from)
  for (const [name, doc] of Object.entries(moved)) {
    // As that server keeps it: edit by edit, under the path as it came.
    const replica = new Y.Doc()
    const updates = []
    replica.on('update', (update) => updates.push(update))
    Y.applyUpdate(replica, Y.encodeStateAsUpdate(doc))
    doc.on('update', (update) => updates.push(update))
    doc.getText('text').insert(0, 'and later ')
    for (const update of updates) await store.storeUpdate(name.split('/').map(encodeURIComponent).join('/'), update)
  }
  await store.destroy()
  runRecipe(t, 'from-y-leveldb.mjs', from, to)
  await checkMoved(t, to, moved)
})

test('from the SQLite database of Hocuspocus', async (t) => {
  const [from, to] = [join(temporaryFolder(t), 'db.sqlite'), temporaryFolder(t)]
  const moved = made(documents)
  const extension = new SQLite({ database: from })
  await extension.onConfigure()
  for (const [name, doc] of Object.entries(moved)) {
    await extension.configuration.store({ documentName: name, state: Buffer.from(Y.encodeStateAsUpdate(doc)) })
  }
  extension.db.close()
  runRecipe(t, 'from-hocuspocus-sqlite.mjs', from, to)
  await checkMoved(t, to, moved)
})

/** A `data.ysweet` in the layout of y-sweet 0.9: bincode of a map, with the keys of yrs-kvstore. */
const writeYSweet = (folder, state, updates) => {
  const oid = [0, 0, 0, 1]
  const entries = [
    [[0, 0, ...Buffer.from('doc'), 0], oid],
    [[0, 1, ...oid, 0], state],
    [[0, 1, ...oid, 1], [0]],
    ...updates.map((update, place) => [[0, 1, ...oid, 2, 0, 0, 0, place + 1, 0], update])
  ]
  const number = (value) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt(value))
    return bytes
  }
  const withLength = (bytes) => Buffer.concat([number(bytes.length), Buffer.from(bytes)])
  mkdirSync(folder)
  writeFileSync(join(folder, 'data.ysweet'), Buffer.concat([number(entries.length), ...entries.flat().map(withLength)]))
}

test("from y-sweet's folder", async (t) => {
  const [from, to] = [temporaryFolder(t), temporaryFolder(t)]
  const moved = made({ abc: 'flushed whole', 'x-Y_9': 'with updates after the state' })
  for (const [name, doc] of Object.entries(moved)) {
    const state = Y.encodeStateAsUpdate(doc)
    const updates = []
    doc.on('update', (update) => updates.push(update))
    if (name !== 'abc') [1, 2, 3].forEach((n) => doc.getText('text').insert(0, `later ${n} `))
    writeYSweet(join(from, name), state, updates)
  }
  runRecipe(t, 'from-y-sweet.mjs', from, to)
  await checkMoved(t, to, moved)
})

test('what cannot be moved is named, and the rest is moved', async (t) => {
  const [from, to] = [temporaryFolder(t), temporaryFolder(t)]
  const store = new LeveldbPersistence(from)
  const whole = makeDoc('whole')
  await store.storeUpdate('whole', Y.encodeStateAsUpdate(whole))
  await store.storeUpdate('x'.repeat(600), Y.encodeStateAsUpdate(whole))
  const gap = []
  const broken = new Y.Doc()
  broken.on('update', (update) => gap.push(update))
  for (const word of ['one', 'two', 'three']) broken.getText('text').insert(0, word)
  for (const update of [gap[0], gap[2]]) await store.storeUpdate('broken', update)
  await store.destroy()
  assert.throws(() => runRecipe(t, 'from-y-leveldb.mjs', from, to), (error) => {
    assert.equal(error.status, 1)
    assert.match(error.stderr, /skipped "x{600}"/)
    assert.match(error.stderr, /skipped "broken": some of its updates are missing/)
    return true
  })
  assert.deepEqual(readList(to).map(([, name]) => name), ['whole'])
})

test('a file that is no data.ysweet is refused, not misread', async (t) => {
  const [from, to] = [temporaryFolder(t), temporaryFolder(t)]
  mkdirSync(join(from, 'cbor'))
  writeFileSync(join(from, 'cbor', 'data.ysweet'), Buffer.from('a56776657273696f6e', 'hex'))
  assert.throws(() => runRecipe(t, 'from-y-sweet.mjs', from, to), /not a data\.ysweet/)
})
