import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const TARGET = fileURLToPath(new URL('../../../target', import.meta.url))
const START_DEADLINE_MS = 30_000

/** The real server binary, on a port and a data folder of its own. */
export class Server {
  readonly port: number
  readonly #address: string
  readonly #dataFolder: string
  readonly #settings: Record<string, string>
  readonly #config: string
  #process: ChildProcess | null = null
  #log = ''

  private constructor(port: number, address: string, settings: Record<string, string>, config: string) {
    this.port = port
    this.#address = address
    this.#settings = settings
    this.#config = config
    this.#dataFolder = mkdtempSync(join(tmpdir(), 'confluo-browser-'))
  }

  /** `settings` go into the environment, as `CONFLUO__SECTION__KEY`; `config` is the text of a configuration file. */
  static async start(settings: Record<string, string> = {}, address = '127.0.0.1', config = ''): Promise<Server> {
    const server = new Server(await freePort(), address, settings, config)
    await server.start()
    return server
  }

  /** `localhost` and not an address, because browsers give it what they otherwise give only to https. */
  get url(): string {
    return `http://localhost:${this.port}`
  }

  /** As another machine of the network would call it; for a server whose settings let it listen on every address. */
  get lanUrl(): string {
    const addresses = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    const lan = addresses.find((address) => address.family === 'IPv4' && !address.internal)
    if (lan === undefined) throw new Error('this machine has no address but loopback')
    return `http://${lan.address}:${this.port}`
  }

  /** What it has logged since it was started. */
  get log(): string {
    return this.#log
  }

  /** Runs a command of the binary on the data folder; the server must not run meanwhile. */
  async command(...args: string[]): Promise<void> {
    await promisify(execFile)(binary(), [...args, '--data-dir', this.#dataFolder])
  }

  async start(): Promise<void> {
    const config = `${this.#dataFolder}.toml`
    writeFileSync(config, this.#config)
    const child = spawn(
      binary(),
      ['serve', '--config', config, '--data-dir', this.#dataFolder],
      { env: { ...process.env, CONFLUO__SERVER__LISTEN: `${this.#address}:${this.port}`, ...this.#settings }, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    this.#process = child
    this.#log = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.#log += bytes.toString()
      })
    }
    await this.#ready(child)
  }

  /** Ends it as a crash does: no goodbye, no last write. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
    for (const left of [this.#dataFolder, `${this.#dataFolder}.toml`]) rmSync(left, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    this.#process = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + START_DEADLINE_MS
    while (Date.now() < deadline) {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${this.#log}`)
      const response = await fetch(`http://127.0.0.1:${this.port}/health/ready`).catch(() => null)
      if (response?.ok) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`the server was not ready in time:\n${this.#log}`)
  }
}

function binary(): string {
  const named = process.env.CONFLUO_BINARY
  const found = [named, join(TARGET, 'release/confluo'), join(TARGET, 'debug/confluo')].find(
    (path) => path !== undefined && existsSync(path),
  )
  if (found === undefined) {
    throw new Error('no server to test: build it (cargo build -p confluo), or name it in CONFLUO_BINARY')
  }
  return found
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
