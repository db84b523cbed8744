// Which address is which document.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, join } from './harness/clients.mjs'
import { confluoOnly, startServer } from './harness/server.mjs'
import { until } from './harness/wait.mjs'
import { open } from './harness/wire.mjs'

/** Whether clients at two names meet: what the first writes is there when the second joins. */
const meet = async (t, server, first, second) => {
  const one = await join(t, server, first)
  const two = connect(t, server, second)
  one.doc.getMap('map').set('met', true)
  await until(() => two.doc.getMap('map').get('met'), `${second} is ${first}`)
}

const same = [
  ['a plain name', 'notes', 'notes'],
  ['a folder', 'team/notes/2024', 'team%2Fnotes%2F2024'],
  ['spaces', 'my notes', 'my%20notes'],
  ['Unicode', 'Überschrift/日本語/🦀', encodeURIComponent('Überschrift/日本語/🦀')],
  ['a stray percent', '100%', '100%25'],
  ['a percent before what is no digit', '50%zz', '50%25zz'],
  ['a plus, which is no space', 'a+b', 'a%2Bb'],
  ['what a query would be', 'a%3Fb', 'a%3fb'],
  ['a name that starts with sync', 'sync/a', 'sync%2Fa']
]

for (const [title, first, second] of same) {
  test(`ad2_ ${title}: ${first} is ${second}`, confluoOnly, async (t) => {
    const { url } = await startServer(t)
    await meet(t, url, first, second)
  })
}

test('ad2_ different names are different documents', confluoOnly, async (t) => {
  const { url } = await startServer(t)
  const names = ['a', 'A', 'a/', 'a//', 'a b', 'a+b', 'a%2520b', 'sync/a', 'b/a']
  const clients = await Promise.all(names.map((name) => join(t, url, name)))
  clients.forEach(({ text }, place) => text.insert(0, names[place]))
  await Promise.all(names.map(async (name) => {
    const late = connect(t, url, name)
    await until(() => late.text.length > 0, `${name} is read`)
    assert.equal(late.text.toString(), name)
  }))
})

test('ad1_ any unclaimed path is a document: a drop-in for y-websocket-server', async (t) => {
  const server = await startServer(t)
  const root = `ws://127.0.0.1:${server.port}`
  const first = await join(t, root, 'my-roomname')
  const second = await join(t, root, 'my-roomname')
  first.text.insert(0, 'drop-in')
  await until(() => second.text.toString() === 'drop-in', 'they meet')
})

test('ad1_ with and without the prefix it is the same document', confluoOnly, async (t) => {
  const server = await startServer(t)
  const first = await join(t, `ws://127.0.0.1:${server.port}`, 'folder/name')
  const second = await join(t, server.url, 'folder/name')
  first.text.insert(0, 'one document')
  await until(() => second.text.toString() === 'one document', 'they meet')
})

for (const [title, name] of [
  ['no name', ''],
  ['invalid UTF-8', '%ff%fe'],
  ['a control character', 'a%00b'],
  ['a line break', 'a%0ab'],
  ['513 bytes', 'x'.repeat(513)],
  ['513 bytes of Unicode', encodeURIComponent('é'.repeat(256) + 'x')]
]) {
  test(`ad3_ ${title} is closed with 4400`, confluoOnly, async (t) => {
    const { url } = await startServer(t)
    const wire = await open(t, `${url}/${name}`)
    assert.equal((await wire.whenClosed()).code, 4400)
  })
}

test('ad9_ what has the name of a route is closed with 4400, and opens below /sync/', confluoOnly, async (t) => {
  const server = await startServer(t)
  const wire = await open(t, `ws://127.0.0.1:${server.port}/metrics`)
  assert.equal((await wire.whenClosed()).code, 4400)
  await join(t, server.url, 'metrics')
})

test('ad3_ a name of 512 bytes is one', confluoOnly, async (t) => {
  const { url } = await startServer(t)
  await join(t, url, 'x'.repeat(512))
  await join(t, url, encodeURIComponent('é'.repeat(256)))
})
