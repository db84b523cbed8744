// From the folder that y-websocket-server was given as YPERSISTENCE. The server must be stopped.
import { LeveldbPersistence } from 'y-leveldb'
import * as Y from 'yjs'
import { fromTo, updateFiles } from './update-files.mjs'

/** That server took the path of the request as the name, undecoded; Confluo decodes it once, and a stray `%` stays itself. */
const decodeName = (path) => {
  const bytes = path.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString())
  return bytes.replace(/^sync\//, '')
}

const [from, to] = fromTo()
const store = new LeveldbPersistence(from)
const files = updateFiles(to)
for (const name of await store.getAllDocNames()) {
  files.add(decodeName(name), [Y.encodeStateAsUpdate(await store.getYDoc(name))])
}
await store.destroy()
files.finish()
