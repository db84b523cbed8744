// Sends hostile updates through the engine, then lets Yjs read each document that came of it: `npm test`.
// How many mutated updates: `npm test -- 100000` (20,000 unless said otherwise), and the seed to begin with.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as Y from 'yjs'

const [mutants = '20000', firstSeed = '0'] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'confluo-hostile-'))
const dump = join(folder, 'documents.txt')

/** Why Yjs does not read `bytes` whole, or undefined. */
const problemWith = (bytes, apply) => {
  const doc = new Y.Doc()
  try {
    apply(doc, bytes)
    if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) return 'something is left waiting'
    Y.applyUpdate(new Y.Doc(), Y.encodeStateAsUpdate(doc))
    Y.applyUpdateV2(new Y.Doc(), Y.encodeStateAsUpdateV2(doc))
  } catch (error) {
    return `threw ${error}`
  }
}

let problems = 0
try {
  const command = ['run', '--quiet', '--release', '-p', 'confluo-testkit', '--example', 'hostile', '--', mutants, dump, firstSeed]
  const run = spawnSync('cargo', command, { stdio: 'inherit', cwd: import.meta.dirname })
  if (run.status !== 0) problems += 1
  const documents = readFileSync(dump, 'utf8').trim().split('\n').map(line => line.split(' '))
  for (const [seed, v1, v2] of documents) {
    for (const [name, hex, apply] of [['V1', v1, Y.applyUpdate], ['V2', v2, Y.applyUpdateV2]]) {
      const problem = problemWith(Buffer.from(hex, 'hex'), apply)
      if (problem !== undefined) {
        problems += 1
        console.error(`seed ${seed}, ${name}: ${problem}`)
      }
    }
  }
  console.log(`${documents.length} documents read by Yjs in V1 and V2, ${problems} problems`)
  if (documents.length < 10) problems += 1
} finally {
  rmSync(folder, { recursive: true })
}
process.exitCode = problems === 0 ? 0 : 1
