import { createHmac, randomUUID } from 'node:crypto'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from './server.ts'

const SECRET = 'a secret that only this test and its server know'

/** A server that lets in only who has a token, and believes the clock to the second. */
export function startWithTokens(tokenRefreshUrl = '/nowhere'): Promise<Server> {
  const config = `
    app.token_refresh_url = "${tokenRefreshUrl}"
    log.filter = "debug"
    [auth]
    mode = "token"
    leeway = "0s"
    expiry_grace = "2s"
    keys = [{ kid = "test", algorithm = "HS256", secret = "${SECRET}" }]
  `
  return Server.start({}, '127.0.0.1', config)
}

/** A token for every document; negative seconds make one that has expired. */
export function mintToken(seconds: number, access: 'read' | 'write' = 'write'): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = { sub: 'ada', exp: now + seconds, jti: randomUUID(), grants: { '*': access } }
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg: 'HS256', typ: 'JWT', kid: 'test' })}.${encode(claims)}`
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
}

/** Where the app gets fresh tokens: another origin than the server's, as a company's login has. */
export class TokenEndpoint {
  /** Which token each question came with. */
  readonly asked: string[] = []
  /** How long what it hands out lasts. */
  seconds: number
  /** It knows of no access any more. */
  refuses = false
  readonly #http: HttpServer

  private constructor(seconds: number) {
    this.seconds = seconds
    this.#http = createServer((request, response) => {
      response.setHeader('access-control-allow-origin', request.headers.origin ?? '*')
      response.setHeader('access-control-allow-headers', 'authorization')
      if (request.method === 'OPTIONS') return response.writeHead(204).end()
      this.asked.push(request.headers.authorization?.replace('Bearer ', '') ?? '')
      if (this.refuses) return response.writeHead(401).end()
      response.writeHead(200, { 'content-type': 'application/json' })
      return response.end(JSON.stringify({ token: mintToken(this.seconds) }))
    })
  }

  static async start(seconds: number): Promise<TokenEndpoint> {
    const endpoint = new TokenEndpoint(seconds)
    await new Promise<void>((resolve) => endpoint.#http.listen(0, '127.0.0.1', resolve))
    return endpoint
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/token`
  }

  async stop(): Promise<void> {
    this.#http.closeAllConnections()
    await new Promise((resolve) => this.#http.close(resolve))
  }
}
