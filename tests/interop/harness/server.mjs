// Starts and stops the real server, by its process id. `INTEROP_REFERENCE=1` runs the server of y-websocket 2 in its place: that
// server keeps nothing on disk and knows none of Confluo's own rules, so the cases that ask for those are skipped.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from './wait.mjs'

export const isReference = process.env.INTEROP_REFERENCE === '1'

/** For `test(title, confluoOnly, …)`. */
export const confluoOnly = { skip: isReference && 'the reference server does not promise this' }

const inRepository = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

export const findBinary = () => {
  const named = process.env.CONFLUO_BINARY
  const places = [named, inRepository('target/release/confluo'), inRepository('target/debug/confluo')]
  const binary = places.find((path) => path && existsSync(path))
  if (!binary) throw new Error('no server to test: build one with `cargo build -p confluo`, or name it in CONFLUO_BINARY')
  return binary
}

export const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

export const temporaryFolder = (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'interop-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

class Server {
  constructor (port, dataDir, settings) {
    this.port = port
    this.dataDir = dataDir
    this.settings = settings
    this.log = ''
  }

  get http () {
    return `http://127.0.0.1:${this.port}`
  }

  /** What a provider takes as its server. */
  get url () {
    return `ws://127.0.0.1:${this.port}${isReference ? '' : '/sync'}`
  }

  get #command () {
    if (isReference) {
      const script = fileURLToPath(new URL('../node_modules/y-websocket-2/bin/server.cjs', import.meta.url))
      return [process.execPath, [script], { HOST: '127.0.0.1', PORT: String(this.port) }]
    }
    const flags = ['serve', '--listen', `127.0.0.1:${this.port}`, '--data-dir', this.dataDir]
    return [findBinary(), flags, this.settings]
  }

  async start () {
    const [program, flags, environment] = this.#command
    this.child = spawn(program, flags, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
    const child = this.child
    running.add(child)
    this.exited = once(child, 'exit').then(([code, signal]) => {
      running.delete(child)
      return { code, signal }
    })
    const keep = (chunk) => { this.log = (this.log + chunk).slice(-20_000) }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const isReady = async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${this.log}`)
      return fetch(`${this.http}/health/ready`).then((answer) => answer.ok, () => false)
    }
    await until(isReady, 'the server is ready', { within: 20_000 })
  }

  /** Sends a signal and waits for the end: `{ code, signal }`. */
  async stop (signal = 'SIGTERM') {
    this.child.kill(signal)
    return this.exited
  }
}

/** A server of this test's own, on a free port and an empty data folder; stopped when the test ends. */
export const startServer = async (t, { settings = {}, dataDir = temporaryFolder(t) } = {}) => {
  const server = new Server(await freePort(), dataDir, settings)
  t.after(() => server.stop('SIGKILL'))
  await server.start()
  return server
}
