// The recipes of docs/migrate.md: from stores that y-leveldb and Hocuspocus's extension wrote, or that are laid out here as y-sweet (a
// program in Rust) writes them, into the real `confluo doc import`.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SQLite } from '@hocuspocus/extension-sqlite'
import { LeveldbPersistence, getLevelUpdates } from 'y-leveldb'
import * as Y from 'yjs'
import { join as joinDocument } from './harness/clients.mjs'
import { confluoOnly, findBinary, isReference, startServer, temporaryFolder } from './harness/server.mjs'

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
    execFileSync(findBinary(), ['doc', 'import', name, join(folder, file), '--create-store', '--data-dir', dataDir], { stdio: 'pipe' })
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

/** The recipe ends with 1, says each of `problems`, and moves those named in `moved` all the same. */
const checkSkipped = (t, script, from, moved, problems) => {
  const to = temporaryFolder(t)
  assert.throws(() => runRecipe(t, script, from, to), ({ status, stdout, stderr }) => {
    assert.equal(status, 1, stderr)
    problems.forEach((problem) => assert.match(stderr, problem))
    assert.match(stdout, new RegExp(`^${moved.length} documents in .*, ${problems.length} skipped`))
    assert.doesNotMatch(stderr, /node:internal/)
    return true
  })
  assert.deepEqual(readList(to).map(([, name]) => name), moved)
}

const whole = Buffer.from(Y.encodeStateAsUpdate(makeDoc('whole')))

/** All but the second of three updates. */
const withGap = () => {
  const updates = []
  const doc = new Y.Doc()
  doc.on('update', (update) => updates.push(update))
  for (const word of ['one', 'two', 'three']) doc.getText('text').insert(0, word)
  return [updates[0], updates[2]]
}

const writeLevelDb = async (folder, updatesOfName) => {
  const store = new LeveldbPersistence(folder)
  for (const [name, updates] of Object.entries(updatesOfName)) {
    for (const update of updates) await store.storeUpdate(name, update)
  }
  await store.destroy()
}

test('what cannot be moved from y-leveldb is named, and the rest is moved', async (t) => {
  const from = temporaryFolder(t)
  const garbled = [whole, Buffer.from('garbage')]
  await writeLevelDb(from, { first: [whole], garbled, gap: withGap(), last: [whole], ['x'.repeat(600)]: [whole] })
  checkSkipped(t, 'from-y-leveldb.mjs', from, ['last', 'first'], [
    /skipped "garbled": what is stored is no Yjs update/,
    /skipped "gap": some of its updates are missing/,
    /skipped "x{600}": Confluo has no such names/
  ])
})

test('ad2_ names of y-leveldb are decoded as the server decodes paths', async (t) => {
  const [from, to] = [temporaryFolder(t), temporaryFolder(t)]
  const names = {
    'sync/a': 'a',
    'sync%2Fa': 'sync/a',
    'sync/sync/b': 'sync/b',
    '100%': '100%',
    'a%2520b': 'a%20b',
    'm%C3%BC': 'mü',
    '%EF%BB%BFc': '\ufeffc'
  }
  await writeLevelDb(from, Object.fromEntries(Object.keys(names).map((name) => [name, [whole]])))
  runRecipe(t, 'from-y-leveldb.mjs', from, to)
  assert.deepEqual(readList(to).map(([, name]) => name).sort(), Object.values(names).sort())
})

test('names of y-leveldb that are no UTF-8, or would be one document in Confluo, are not moved', async (t) => {
  const from = temporaryFolder(t)
  await writeLevelDb(from, { '%ff': [whole], 'a%e2%28b': [whole], b: [whole], 'sync/b': [whole] })
  checkSkipped(t, 'from-y-leveldb.mjs', from, ['b'], [
    /skipped "%ff": its name is not UTF-8/,
    /skipped "a%e2%28b": its name is not UTF-8/,
    /skipped "sync\/b": in Confluo it would be the same document as "b"/
  ])
})

test('nothing is written to a y-leveldb store, also not where a document has hundreds of updates', async (t) => {
  const [from, to] = [temporaryFolder(t), temporaryFolder(t)]
  const updates = []
  const doc = new Y.Doc()
  doc.on('update', (update) => updates.push(update))
  for (let letter = 0; letter < 502; letter++) doc.getText('text').insert(letter, 'x')
  await writeLevelDb(from, { long: updates })
  runRecipe(t, 'from-y-leveldb.mjs', from, to)
  const store = new LeveldbPersistence(from)
  const stored = await store._transact((level) => getLevelUpdates(level, 'long'))
  await store.destroy()
  assert.equal(stored.length, 502)
})

/** The recipe ends with 1 and one line that begins with `line`; it makes neither a store in `from` nor files. */
const checkUnreadable = (t, script, from, line) => {
  const to = join(temporaryFolder(t), 'export')
  const wasThere = existsSync(from)
  assert.throws(() => runRecipe(t, script, from, to), ({ status, stdout, stderr }) => {
    assert.match(stderr, new RegExp(`^cannot read ${from}: ${line}[^\n]*\n$`))
    assert.deepEqual([status, stdout], [1, ''])
    return true
  })
  assert.deepEqual([existsSync(from), existsSync(to)], [wasThere, false])
}

test('a store that is not there, is another or is in use is told in one line', async (t) => {
  const folder = temporaryFolder(t)
  const file = (name, content) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const misspelt = join(folder, 'misspelt')
  checkUnreadable(t, 'from-hocuspocus-sqlite.mjs', misspelt, 'there is no such file')
  checkUnreadable(t, 'from-hocuspocus-sqlite.mjs', file('empty.sqlite', ''), 'no such table: documents')
  checkUnreadable(t, 'from-hocuspocus-sqlite.mjs', file('text.sqlite', 'no database '.repeat(100)), 'file is not a database')
  checkUnreadable(t, 'from-y-sweet.mjs', misspelt, 'there is no such folder')
  checkUnreadable(t, 'from-y-sweet.mjs', file('data.ysweet', ''), 'it is no folder')
  checkUnreadable(t, 'from-y-leveldb.mjs', misspelt, 'there is no LevelDB store')
  checkUnreadable(t, 'from-y-leveldb.mjs', file('text', ''), 'there is no LevelDB store')
  const inUse = join(folder, 'in-use')
  await writeLevelDb(inUse, { notes: [whole] })
  const store = new LeveldbPersistence(inUse)
  await store.getAllDocNames()
  checkUnreadable(t, 'from-y-leveldb.mjs', inUse, 'another process uses it')
  await store.destroy()
})

test('what cannot be moved from Hocuspocus is named, and the rest is moved', async (t) => {
  const from = join(temporaryFolder(t), 'db.sqlite')
  const extension = new SQLite({ database: from })
  await extension.onConfigure()
  const rows = { first: whole, empty: Buffer.alloc(0), garbage: Buffer.from('garbage'), last: whole, '': whole, 'line\nbreak': whole }
  for (const [documentName, state] of Object.entries(rows)) await extension.configuration.store({ documentName, state })
  extension.db.close()
  checkSkipped(t, 'from-hocuspocus-sqlite.mjs', from, ['first', 'last'], [
    /skipped "": Confluo has no such names/,
    /skipped "empty": what is stored is no Yjs update/,
    /skipped "garbage": what is stored is no Yjs update/,
    /skipped "line\\nbreak": Confluo has no such names/
  ])
})

test('a file that is no data.ysweet is refused by name, not misread, and the rest is moved', async (t) => {
  const from = temporaryFolder(t)
  for (const name of ['cbor', 'nothing']) mkdirSync(join(from, name))
  writeFileSync(join(from, 'cbor', 'data.ysweet'), Buffer.from('a56776657273696f6e', 'hex'))
  for (const name of ['able', 'zebra']) writeYSweet(join(from, name), whole, [])
  writeYSweet(join(from, 'garbage'), Buffer.from('garbage'), [])
  checkSkipped(t, 'from-y-sweet.mjs', from, ['able', 'zebra'], [
    /skipped "cbor": .*is not a data\.ysweet/,
    /skipped "garbage": what is stored is no Yjs update/,
    /skipped "nothing": .*no such file/
  ])
})

/** The commands of docs/migrate.md that import, with this data folder. */
const importCommands = (dataDir) => {
  const page = readFileSync(join(recipes, '../migrate.md'), 'utf8')
  const [commands] = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block).filter((block) => block.includes('while IFS'))
  const data = /^data=\S+/m
  assert.match(commands, data)
  return commands.replace(data, `data='${dataDir}'`)
}

test('the commands of the page import every name, and say which document Confluo refuses', confluoOnly, async (t) => {
  const [folder, dataDir] = [temporaryFolder(t), temporaryFolder(t)]
  const names = ['-dash', '--replace', '--', '-', '*', '$(touch made)', '`touch made`', '; touch made', ' spaces  around ', 'back\\slash\\n']
  const moved = made(Object.fromEntries(names.map((name) => [name, `this is ${name}`])))
  const hook = new Y.Doc()
  hook.getXmlFragment('xml').insert(0, [new Y.XmlHook('custom')])
  mkdirSync(join(folder, 'export'))
  const list = Object.entries({ '-refused\\n': hook, ...moved }).map(([name, doc], place) => {
    writeFileSync(join(folder, 'export', `${place}.yjs`), Y.encodeStateAsUpdate(doc))
    return `${place}.yjs\t${name}\n`
  })
  writeFileSync(join(folder, 'export', 'documents.tsv'), list.join(''))
  const programs = temporaryFolder(t)
  symlinkSync(resolve(findBinary()), join(programs, 'confluo'))
  const env = { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` }
  const { status, stdout, stderr } = spawnSync('sh', ['-c', importCommands(dataDir)], { cwd: folder, env, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.deepEqual(stderr.match(/^failed: .*$/gm), ['failed: -refused\\n'], stderr)
  assert.match(stderr, /XmlHook/)
  assert.deepEqual(readdirSync(folder), ['export'], 'nothing in a name was run')
  for (const name of names) assert.ok(stdout.includes(`  ${name}\n`), `${name} in ${stdout}`)
  const { url } = await startServer(t, { dataDir })
  for (const [name, doc] of Object.entries(moved)) {
    const here = await joinDocument(t, url, encodeURIComponent(name))
    assert.deepEqual(here.text.toDelta(), doc.getText('text').toDelta(), name)
  }
})
