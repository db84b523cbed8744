// From the folder that y-websocket-server was given as YPERSISTENCE. The server must be stopped.
//
// The updates are read below `LeveldbPersistence`: its `getYDoc` writes to the store once a document has 500 updates.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Level } from 'level'
import { getAllDocsKeys, getLevelUpdates, keyEncoding } from 'y-leveldb'
import { fromTo, openStore, updateFiles } from './update-files.mjs'

// A byte order mark is part of a name.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * That server took the path of the request as the name, undecoded. Confluo takes one `sync/` from its front and then decodes the rest
 * once, where a stray `%` stays itself (rule AD2): `sync%2Fa` is the document `sync/a`.
 */
const decodeName = (path) => {
  const characters = Buffer.from(path.replace(/^sync\//, '')).toString('latin1')
  const bytes = characters.replace(/%([0-9a-f]{2})/gi, (_, digits) => String.fromCharCode(parseInt(digits, 16)))
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'))
  } catch {
    throw new Error('its name is not UTF-8, and Confluo has no such names')
  }
}

const [from, to] = fromTo()
const { store, keys } = await openStore(from, async () => {
  // LevelDB would make one.
  if (!existsSync(join(from, 'CURRENT'))) throw new Error('there is no LevelDB store: one has a file named CURRENT')
  const store = new Level(from, { keyEncoding, valueEncoding: 'buffer' })
  await store.open().catch((error) => {
    throw error.cause?.code === 'LEVEL_LOCKED' ? new Error('another process uses it; stop the server first') : error
  })
  return { store, keys: await getAllDocsKeys(store) }
})
const files = updateFiles(to)
for (const [, name] of keys) {
  await files.add(name, () => getLevelUpdates(store, name), decodeName)
}
await store.close()
files.finish()
