// Writes each document as one Yjs update (V1) in a file of its own, and `documents.tsv`: file, tab, name.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as Y from 'yjs'

// eslint-disable-next-line no-control-regex
const hasControlCharacters = (name) => /[\u0000-\u001f\u007f-\u009f]/.test(name)

const checkName = (name) => {
  if (name === '' || Buffer.byteLength(name) > 512 || hasControlCharacters(name)) throw new Error('Confluo has no such names')
}

/** The state that these updates make, as one update. */
const merge = (updates) => {
  const doc = new Y.Doc({ gc: false })
  for (const update of updates) {
    try {
      Y.applyUpdate(doc, update)
    } catch (error) {
      throw new Error(`what is stored is no Yjs update (${error.message})`)
    }
  }
  if (doc.store.pendingStructs || doc.store.pendingDs) throw new Error('some of its updates are missing, so it is not whole')
  return Y.encodeStateAsUpdate(doc)
}

export const updateFiles = (folder) => {
  mkdirSync(folder, { recursive: true })
  const lines = []
  const taken = new Map()
  let skipped = 0
  const move = async (oldName, read, toName) => {
    const name = toName(oldName)
    checkName(name)
    // Two documents there, one here: importing both would merge them, which nobody could undo.
    if (taken.has(name)) throw new Error(`in Confluo it would be the same document as ${JSON.stringify(taken.get(name))}`)
    const state = merge(await read())
    const file = `${String(lines.length + 1).padStart(6, '0')}.yjs`
    writeFileSync(join(folder, file), state)
    lines.push(`${file}\t${name}\n`)
    taken.set(name, oldName)
  }
  return {
    /**
     * Adds a document. `read` gives its updates (V1), oldest first, which are merged and must leave nothing open; `toName` makes
     * Confluo's name of the old one. A document for which any of this fails is named and skipped; the rest goes on.
     */
    async add (oldName, read, toName = (name) => name) {
      try {
        await move(oldName, read, toName)
      } catch (error) {
        console.error(`skipped ${JSON.stringify(oldName)}: ${error.message}`)
        skipped++
      }
    },
    /** Writes the list; the process then ends with 1 if a document was skipped. */
    finish () {
      writeFileSync(join(folder, 'documents.tsv'), lines.join(''))
      console.log(`${lines.length} documents in ${folder}, ${skipped} skipped`)
      process.exitCode = skipped === 0 ? 0 : 1
    }
  }
}

/** What `open` gives. If it fails, the process ends with 1 and one line: the reader is to look at the store, not at this script. */
export const openStore = async (from, open) => {
  try {
    return await open()
  } catch (error) {
    console.error(`cannot read ${from}: ${(error.cause ?? error).message}`)
    process.exit(1)
  }
}

/** Reads the arguments: where the old store is, and where the files go. */
export const fromTo = () => {
  const [from, to] = process.argv.slice(2)
  if (!from || !to) {
    console.error(`usage: node ${process.argv[1]} <old store> <folder for the update files>`)
    process.exit(2)
  }
  return [from, to]
}
