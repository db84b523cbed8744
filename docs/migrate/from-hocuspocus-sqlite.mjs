// From the database of @hocuspocus/extension-sqlite. Hocuspocus should be stopped, or what it has not stored yet is missing.
import { existsSync } from 'node:fs'
import Database from 'better-sqlite3'
import { fromTo, openStore, updateFiles } from './update-files.mjs'

const [from, to] = fromTo()
const { database, names, data } = await openStore(from, () => {
  if (!existsSync(from)) throw new Error('there is no such file')
  const database = new Database(from, { readonly: true, fileMustExist: true })
  const names = database.prepare('SELECT name FROM documents ORDER BY name').pluck().all()
  return { database, names, data: database.prepare('SELECT data FROM documents WHERE name = ?').pluck() }
})
const files = updateFiles(to)
for (const name of names) await files.add(name, () => [data.get(name)])
database.close()
files.finish()
