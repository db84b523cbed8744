// Writes histories.json: real updates of every content kind, made by the JavaScript reference.
// Run in a folder where `npm install yjs@13.6.33` was done:  node make-histories.mjs > histories.json
import * as Y from 'yjs'

const histories = {}

/** Records every update of one document that `edit` makes, each transaction by itself. */
const record = (name, edit, clientID = 1000 + Object.keys(histories).length) => {
  const doc = new Y.Doc()
  doc.clientID = clientID
  const updates = []
  doc.on('update', update => updates.push(Buffer.from(update).toString('hex')))
  edit(doc)
  histories[name] = updates
}

record('text', doc => {
  const text = doc.getText('t')
  for (const word of ['Hello', ' ', 'world', ' 😀', ' ü', '\u0000', '']) text.insert(text.length, word)
  text.delete(2, 4)
  text.insert(0, '')
})
record('format', doc => {
  const text = doc.getText('t')
  text.insert(0, 'bold and red', { bold: true, color: '#f00', link: { href: 'x', rel: null } })
  text.format(3, 4, { bold: null, italic: true, size: 1.5 })
})
record('embed', doc => {
  const text = doc.getText('t')
  text.insertEmbed(0, { image: 'data:,', size: [1, -2.5e3, { deep: [[[]]] }] })
  text.insertEmbed(1, {}, { width: 3 })
  text.insertEmbed(0, 'just text "quoted" \\ \u2028')
})
record('map', doc => {
  const map = doc.getMap('m')
  for (const value of [1, -1, 63, 64, -64, 2 ** 31, 2 ** 53 - 1, 0.5, 1 / 3, NaN, Infinity, -0, null, undefined, true, false, '', 'text', 12345678901234567890n, [1, ['2', { 3: null }]], { a: { b: {} } }, new Uint8Array([1, 2, 3])]) {
    map.set('value', value)
  }
  map.delete('value')
  map.set('😀 ', 1)
})
record('array', doc => {
  const array = doc.getArray('a')
  array.insert(0, [1, 'two', null, { three: 3 }])
  array.insert(2, [new Uint8Array([0, 255]), new Uint8Array()])
  array.delete(1, 3)
  array.insert(1, Array.from({ length: 200 }, (_, i) => i))
})
record('nested', doc => {
  const map = doc.getMap('m')
  map.set('array', new Y.Array())
  map.get('array').insert(0, [new Y.Map(), new Y.Text('inner'), new Y.Array()])
  map.get('array').get(0).set('map', new Y.Map([['key', 'value']]))
  map.get('array').get(1).insert(5, '!', { bold: true })
  map.get('array').delete(0)
  map.delete('array')
})
record('xml', doc => {
  const root = doc.getXmlFragment('x')
  const element = new Y.XmlElement('paragraph')
  root.insert(0, [element, new Y.XmlText('tail')])
  element.setAttribute('align', 'left')
  element.insert(0, [new Y.XmlText('text'), new Y.XmlElement('img')])
  element.get(0).format(0, 2, { strong: {} })
  doc.getMap('m').set('fragment', new Y.XmlFragment())
  root.delete(0)
})
record('subdocument', doc => {
  const map = doc.getMap('m')
  map.set('plain', new Y.Doc({ guid: 'guid-1' }))
  map.set('with options', new Y.Doc({ guid: 'guid-2', autoLoad: true, gc: false, meta: { title: 'x' } }))
  doc.getArray('a').insert(0, [new Y.Doc({ guid: 'guid-3' })])
  map.delete('plain')
})
record('large client id', doc => {
  doc.getText('t').insert(0, 'abc')
  doc.getText('t').delete(0, 1)
}, 2 ** 53 - 1)

// Several clients, offline forks and undo.
const clients = [5, 4000000000, 77].map(id => { const doc = new Y.Doc(); doc.clientID = id; return doc })
const forks = []
clients.forEach(doc => doc.on('update', (update, origin) => { if (origin !== 'sync') forks.push(Buffer.from(update).toString('hex')) }))
const sync = () => clients.forEach(to => clients.forEach(from => Y.applyUpdate(to, Y.encodeStateAsUpdate(from, Y.encodeStateVector(to)), 'sync')))
for (let round = 0; round < 12; round++) {
  clients.forEach((doc, i) => {
    const text = doc.getText('t')
    const undo = new Y.UndoManager(text)
    text.insert(Math.floor(text.length * i / 2), `${'abc'[i]}${round}😀`)
    if (round % 3 === i) undo.undo()
    if (text.length > 9) text.delete(round % 5, 3)
    doc.getMap('m').set(`k${round % 4}`, [round, i])
  })
  if (round % 4 === 3) sync()
}
sync()
histories.forks = forks
histories['whole state'] = clients.map(doc => Buffer.from(Y.encodeStateAsUpdate(doc)).toString('hex'))
histories['merged with a gap'] = [Buffer.from(Y.mergeUpdates([forks[0], forks[12], forks[forks.length - 1]].map(hex => Buffer.from(hex, 'hex')))).toString('hex')]

process.stdout.write(JSON.stringify({ provenance: 'yjs 13.6.33, make-histories.mjs', histories }, null, 1) + '\n')
