// From the folder that `y-sweet serve` was given: `<document>/data.ysweet`. The server should be stopped.
//
// A `data.ysweet` is a map of bytes to bytes as Rust's bincode writes it: the number of entries, then each key and value
// behind its length, all numbers of 8 bytes, lowest first. The keys are those of yrs-kvstore: 0 1 <4 bytes> 0 is the
// document's state, 0 1 <4 bytes> 2 <4 bytes> 0 an update that came after it, in their order.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fromTo, openStore, updateFiles } from './update-files.mjs'

const STATE = 0
const UPDATE = 2

const readEntries = (file) => {
  const bytes = readFileSync(file)
  let position = 0
  const take = (length) => {
    if (position + length > bytes.length) throw new Error(`${file} is not a data.ysweet of y-sweet`)
    position += length
    return bytes.subarray(position - length, position)
  }
  const takeNumber = () => Number(take(8).readBigUInt64LE())
  const entries = []
  for (let left = takeNumber(); left > 0; left--) entries.push([take(takeNumber()), take(takeNumber())])
  if (position !== bytes.length) throw new Error(`${file} is not a data.ysweet of y-sweet`)
  return entries
}

const isUpdate = ([key]) => key[0] === 0 && key[1] === 1 && [STATE, UPDATE].includes(key[6])

const readUpdates = (file) => {
  const entries = readEntries(file).filter(isUpdate)
  return entries.sort(([a], [b]) => Buffer.compare(a, b)).map(([, update]) => update)
}

const [from, to] = fromTo()
const folders = await openStore(from, () => {
  if (!existsSync(from)) throw new Error('there is no such folder')
  if (!statSync(from).isDirectory()) throw new Error('it is no folder; each document has one in the folder that `y-sweet serve` was given')
  return readdirSync(from, { withFileTypes: true }).filter((entry) => entry.isDirectory())
})
const files = updateFiles(to)
for (const { name } of folders) {
  await files.add(name, () => readUpdates(join(from, name, 'data.ysweet')))
}
files.finish()
