// Writes each document as one Yjs update (V1) in a file of its own, and `documents.tsv`: file, tab, name.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as Y from 'yjs'

// eslint-disable-next-line no-control-regex
const hasControlCharacters = (name) => /[\u0000-\u001f\u007f-\u009f]/.test(name)

export const updateFiles = (folder) => {
  mkdirSync(folder, { recursive: true })
  const lines = []
  let skipped = 0
  return {
    /** Adds a document of updates (V1), oldest first. They are merged, and must leave nothing open. */
    add (name, updates) {
      const doc = new Y.Doc({ gc: false })
      updates.forEach((update) => Y.applyUpdate(doc, update))
      const problem =
        name === '' || Buffer.byteLength(name) > 512 || hasControlCharacters(name) ? 'Confluo has no such names'
        : doc.store.pendingStructs || doc.store.pendingDs ? 'some of its updates are missing, so it is not whole'
        : null
      if (problem) {
        console.error(`skipped ${JSON.stringify(name)}: ${problem}`)
        skipped++
        return
      }
      const file = `${String(lines.length + 1).padStart(6, '0')}.yjs`
      writeFileSync(join(folder, file), Y.encodeStateAsUpdate(doc))
      lines.push(`${file}\t${name}\n`)
      doc.destroy()
    },
    /** Writes the list; the process then ends with 1 if a document was skipped. */
    finish () {
      writeFileSync(join(folder, 'documents.tsv'), lines.join(''))
      console.log(`${lines.length} documents in ${folder}, ${skipped} skipped`)
      process.exitCode = skipped === 0 ? 0 : 1
    }
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
