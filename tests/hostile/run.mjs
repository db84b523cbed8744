// Sends hostile updates through the engine, then lets Yjs follow and load each document that came of it, and compares what
// Yjs shows with what the server holds: `npm test`.
// How many mutated updates: `npm test -- 100000` (1,000 unless said otherwise), and the seed to begin with.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import * as Y from 'yjs'
import { compare } from './compare.mjs'

const [mutants = '1000', firstSeed = '0'] = process.argv.slice(2)

const fromHex = (hex) => Buffer.from(hex, 'hex')

/** A stock client that is there from the beginning, and knows its roots as the seeds use them. */
const follow = (broadcasts) => {
  const doc = new Y.Doc()
  for (const name of ['t', 'text']) doc.getText(name)
  for (const name of ['m', 'map']) doc.getMap(name)
  doc.getArray('a')
  doc.getXmlFragment('x')
  for (const update of broadcasts) Y.applyUpdate(doc, update)
  return doc
}

const load = (updates, apply = Y.applyUpdate) => {
  const doc = new Y.Doc()
  for (const update of updates) apply(doc, update)
  return doc
}

/** What Yjs read it can also pass on, in both encodings of its own. */
const passOn = (doc) => {
  Y.applyUpdate(new Y.Doc(), Y.encodeStateAsUpdate(doc))
  Y.applyUpdateV2(new Y.Doc(), Y.encodeStateAsUpdateV2(doc))
}

/** How a document that Yjs makes differs from what the server holds; nothing if it does not. */
const look = (run, make) => {
  try {
    const doc = make()
    const problem = compare(doc, run)
    passOn(doc)
    return problem
  } catch (error) {
    return { what: `threw ${error}` }
  }
}

const problems = []
/** What is explained in SECURITY.md, by name: counted, and no reason to fail. */
const known = {}
const counts = { runs: 0, broadcasts: 0, unheard: 0, misheard: 0 }

const judge = (seed, reader, problem) => {
  if (problem === undefined) return
  if (problem.known === undefined) problems.push(`seed ${seed}, ${reader}: ${problem.what}`)
  else known[problem.known] = (known[problem.known] ?? 0) + 1
}

const check = (line) => {
  const run = JSON.parse(line)
  const broadcasts = run.broadcasts.map(fromHex)
  counts.runs += 1
  counts.broadcasts += broadcasts.length
  run.structs = Y.decodeUpdate(fromHex(run.v1)).structs
  judge(run.seed, 'who followed', look(run, () => follow(broadcasts)))
  judge(run.seed, 'who loads what is stored', look(run, () => load(run.stored.map(fromHex))))
  judge(run.seed, 'who loads V1', look(run, () => load([fromHex(run.v1)])))
  const v2 = look(run, () => load([fromHex(run.v2)], Y.applyUpdateV2))
  const isBinary = run.structs.some((struct) => struct.content instanceof Y.ContentBinary)
  judge(run.seed, 'who loads V2', v2 && isBinary ? { known: 'V2 that yrs writes of binary content' } : v2)
  control(run, broadcasts)
}

/** Who misses or mishears a broadcast must differ, and be seen to. */
const control = (run, broadcasts) => {
  if (broadcasts.length === 0) return
  const at = run.seed % broadcasts.length
  const unheard = look(run, () => follow(broadcasts.filter((_, other) => other !== at)))
  if (unheard !== undefined && unheard.known === undefined) counts.unheard += 1
  // What deletes a part of what is deleted whole later leaves no trace; whatever adds something does.
  else if (Y.decodeUpdate(broadcasts[at]).structs.length > 0) {
    problems.push(`seed ${run.seed}: nobody noticed that broadcast ${at} was left out`)
  }
  // The same ids, and other letters.
  const misheard = look(run, () => follow(broadcasts.map((update) => Buffer.from(update.toString('latin1').replace('bc', 'cb'), 'latin1'))))
  if (misheard?.what?.startsWith('Yjs shows')) counts.misheard += 1
}

const command = ['run', '--quiet', '-p', 'confluo-testkit', '--example', 'hostile', '--', mutants, firstSeed]
const engine = spawn('cargo', command, { stdio: ['ignore', 'pipe', 'inherit'], cwd: import.meta.dirname })
const exit = once(engine, 'exit')
for await (const line of createInterface({ input: engine.stdout })) check(line)
const [status] = await exit
for (const problem of problems.slice(0, 50)) console.error(problem)
console.log(`${counts.runs} documents: Yjs followed ${counts.broadcasts} broadcasts and loaded what was stored; ` +
  `${problems.length} problems`)
console.log(`control: ${counts.unheard} noticed that a broadcast was left out, ${counts.misheard} that it had other letters`)
for (const [name, count] of Object.entries(known)) console.log(`known (see SECURITY.md): ${count} times ${name}`)
const passed = status === 0 && problems.length === 0 && counts.runs >= 10 && counts.unheard > 0.9 * counts.runs &&
  counts.misheard > 0.1 * counts.runs
console.log(passed ? '# pass 1' : '# fail 1')
process.exitCode = passed ? 0 : 1
