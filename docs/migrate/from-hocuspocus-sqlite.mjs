// From the database of @hocuspocus/extension-sqlite. Hocuspocus should be stopped, or what it has not stored yet is missing.
import Database from 'better-sqlite3'
import { fromTo, updateFiles } from './update-files.mjs'

const [from, to] = fromTo()
const database = new Database(from, { readonly: true, fileMustExist: true })
const files = updateFiles(to)
for (const { name, data } of database.prepare('SELECT name, data FROM documents ORDER BY name').iterate()) {
  files.add(name, [data])
}
database.close()
files.finish()
