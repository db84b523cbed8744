import * as decoding from 'lib0/decoding'
import type { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import type * as Y from 'yjs'
import { type CloseReason, closeReason } from './close-codes.ts'
import {
  decodeAuth,
  decodeSaveReply,
  encodeSaveProbe,
  encodeToken,
  encodeUpdate,
  MESSAGE_AUTH,
  MESSAGE_LINEAGE,
  MESSAGE_SAVE_STATUS,
  MESSAGE_SYNC,
} from './messages.ts'
import { SaveTracker } from './save-tracker.ts'
import { type Access, isSameStatus, type SyncStatus } from './status.ts'
import { renewalDelay, type TokenSource, tokenProtocols } from './token.ts'

/** Longer than the stock 2.5 s, because the status offers to try at once, and a server that restarts is spared. */
const MAX_BACKOFF_MS = 15_000
const SYNC_STEP_1 = 0
const TOKEN_EXPIRED = 4501

export interface SyncOptions {
  /** Where the server is, with the prefix that documents stand under: `wss://host/sync`. */
  serverUrl: string
  document: string
  doc: Y.Doc
  awareness: Awareness
  /** The lineage of the local copy; null when there is none or it is unknown. */
  lineage: string | null
  /** Called when the server names the document's lineage: keep it beside the local copy. */
  onLineage: (lineage: string) => void
  /** How many edits of the local copy the server had not confirmed when the program last ran. */
  unsaved: number
  token?: TokenSource
  /** For tests and for programs without a global WebSocket. */
  WebSocketPolyfill?: typeof WebSocket
  /** Keeps several tabs in step through a BroadcastChannel; on unless it is false. */
  tabs?: boolean
}

/**
 * The stock `y-websocket` provider, with what a truthful status line needs on top: whether edits are on the server's
 * disk (message 102), which lineage the document has (103), what the server allows (2/2), fresh tokens (2/1), and
 * what a close code means.
 */
export class ConfluoSync {
  readonly provider: WebsocketProvider
  readonly #options: SyncOptions
  readonly #saves: SaveTracker
  readonly #listeners = new Set<() => void>()
  #status: SyncStatus
  #hasNetwork = true
  #isConnected = false
  #access: Access = 'write'
  #hasRefusedEdits = false
  #interruption: { reason: CloseReason; retryAt: number } | null = null
  #stop: { reason: CloseReason; detail: string } | null = null
  #renewal: ReturnType<typeof setTimeout> | null = null
  #isFromServer = false
  #isDestroyed = false

  constructor(options: SyncOptions) {
    this.#options = options
    this.#status = { kind: 'connecting', unsaved: options.unsaved }
    this.#saves = new SaveTracker(
      options.unsaved,
      (counter) => this.#sendToServer(encodeSaveProbe(counter)),
      () => this.#update(),
    )
    this.provider = new WebsocketProvider(
      options.serverUrl,
      encodeURIComponent(options.document),
      options.doc,
      {
        awareness: options.awareness,
        connect: false,
        disableBc: options.tabs === false,
        maxBackoffTime: MAX_BACKOFF_MS,
        params: { lineage: options.lineage ?? '' },
        protocols: tokenProtocols(options.token?.current() ?? null),
        ...(options.WebSocketPolyfill && { WebSocketPolyfill: options.WebSocketPolyfill }),
        shouldReconnect: (event) => !closeReason(event.code).permanent && !this.#canRefreshAfter(event.code),
      },
    )
    this.#handleMessages()
    this.#watchConnection()
    options.doc.on('update', this.#onDocUpdate)
  }

  get status(): SyncStatus {
    return this.#status
  }

  /** False once the server said that it takes no edits from here. */
  get canWrite(): boolean {
    return this.#access === 'write'
  }

  get unsaved(): number {
    return this.#saves.unsaved
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  connect(): void {
    this.#stop = null
    this.provider.connect()
    this.#update()
  }

  /** Does not wait for the next attempt. */
  reconnectNow(): void {
    this.#interruption = null
    this.connect()
  }

  /** What the device says about its network: without one, waiting is called by its name. */
  setNetwork(hasNetwork: boolean): void {
    if (this.#hasNetwork === hasNetwork) return
    this.#hasNetwork = hasNetwork
    if (hasNetwork && this.#stop === null && !this.#isConnected) this.reconnectNow()
    else this.#update()
  }

  destroy(): void {
    this.#isDestroyed = true
    this.#options.doc.off('update', this.#onDocUpdate)
    this.#listeners.clear()
    this.#cancelRenewal()
    this.#saves.destroy()
    this.provider.destroy()
  }

  #handleMessages(): void {
    const { provider } = this
    const stockSync = provider.messageHandlers[MESSAGE_SYNC]
    if (stockSync === undefined) throw new Error('the y-websocket provider has no handler for sync messages')
    // The stock provider passes `emitSynced` as true for what came from the socket, and false for another tab.
    provider.messageHandlers[MESSAGE_SYNC] = (encoder, decoder, self, isFromSocket, type) => {
      const kind = decoding.peekVarUint(decoder)
      this.#isFromServer = isFromSocket
      try {
        stockSync(encoder, decoder, self, isFromSocket, type)
      } finally {
        this.#isFromServer = false
      }
      // The answer to step 1 leaves when this handler has returned; the tracker's probe comes a task later.
      if (isFromSocket && kind === SYNC_STEP_1) this.#saves.connectionReady()
    }
    provider.messageHandlers[MESSAGE_AUTH] = (_encoder, decoder) => {
      const message = decodeAuth(decoder)
      if (message.kind === 'accepted') this.#access = message.access
      this.#update()
    }
    provider.messageHandlers[MESSAGE_SAVE_STATUS] = (_encoder, decoder) => {
      const { counter, refused } = decodeSaveReply(decoder)
      if (refused) {
        this.#hasRefusedEdits = true
        this.#access = 'read'
      }
      this.#saves.confirm(counter, refused)
      this.#update()
    }
    provider.messageHandlers[MESSAGE_LINEAGE] = (_encoder, decoder) => {
      const lineage = decoding.readVarString(decoder)
      provider.params = { ...provider.params, lineage }
      this.#options.onLineage(lineage)
    }
  }

  #watchConnection(): void {
    const { provider } = this
    provider.on('status', ({ status }) => {
      if (status === 'connected') this.#onConnected()
      this.#update()
    })
    provider.on('sync', () => this.#update())
    provider.on('connection-close', (event) => {
      this.#isConnected = false
      this.#saves.connectionLost()
      this.#cancelRenewal()
      this.#interruption = {
        reason: closeReason(event?.code ?? 1006),
        retryAt: Date.now() + this.#nextDelay(),
      }
      queueMicrotask(() => this.#forgetPeers())
      this.#update()
    })
    provider.on('closed', ({ code, reason }) => {
      if (this.#canRefreshAfter(code)) {
        void this.#renewToken().then(() => this.#isDestroyed || this.connect())
        return
      }
      this.#stop = { reason: closeReason(code), detail: reason }
      this.#update()
    })
  }

  #onConnected(): void {
    this.#isConnected = true
    this.#interruption = null
    const token = this.#options.token?.current() ?? null
    if (token === null) return
    this.#sendToServer(encodeToken(token))
    this.#planRenewal(token)
  }

  /** What a stock provider does next: it counts this failure first, then waits 2ⁿ · 100 ms. */
  #nextDelay(): number {
    return Math.min(2 ** (this.provider.wsUnsuccessfulReconnects + 1) * 100, MAX_BACKOFF_MS)
  }

  /**
   * Awareness ignores clocks that it has seen, so after a reconnect everybody else would stay invisible until their
   * next renewal, up to 15 s later. Forgetting the clocks of who is gone shows them at once.
   */
  #forgetPeers(): void {
    const { awareness } = this.#options
    for (const clientId of awareness.meta.keys()) {
      if (clientId !== awareness.clientID && !awareness.states.has(clientId)) awareness.meta.delete(clientId)
    }
  }

  readonly #onDocUpdate = (update: Uint8Array, origin: unknown): void => {
    if (this.#isFromServer) return
    // Another tab's edit: the stock provider does not pass it on, and if that tab closes nobody would.
    if (origin === this.provider) this.#sendToServer(encodeUpdate(update))
    this.#saves.recordEdit()
    this.#update()
  }

  #sendToServer(bytes: Uint8Array<ArrayBuffer>): void {
    const socket = this.provider.ws
    if (this.#isConnected && socket !== null && socket.readyState === 1) socket.send(bytes)
  }

  #canRefreshAfter(code: number): boolean {
    return code === TOKEN_EXPIRED && this.#options.token?.refresh !== undefined
  }

  #planRenewal(token: string): void {
    this.#cancelRenewal()
    if (this.#options.token?.refresh === undefined) return
    const delay = renewalDelay(token, Date.now())
    if (delay === null) return
    this.#renewal = setTimeout(() => {
      void this.#renewToken().then((fresh) => {
        if (fresh === null || this.#isDestroyed) return
        this.#sendToServer(encodeToken(fresh))
        this.#planRenewal(fresh)
      })
    }, delay)
  }

  async #renewToken(): Promise<string | null> {
    const fresh = (await this.#options.token?.refresh?.().catch(() => null)) ?? null
    if (fresh !== null) this.provider.protocols = tokenProtocols(fresh)
    return fresh
  }

  #cancelRenewal(): void {
    if (this.#renewal !== null) clearTimeout(this.#renewal)
    this.#renewal = null
  }

  #update(): void {
    const next = this.#read()
    if (isSameStatus(this.#status, next)) return
    this.#status = next
    for (const listener of this.#listeners) listener()
  }

  #read(): SyncStatus {
    const { unsaved } = this.#saves
    if (this.#stop !== null) return { kind: 'stopped', unsaved, ...this.#stop }
    if (!this.#isConnected) {
      if (!this.#hasNetwork) return { kind: 'offline', unsaved }
      if (this.#interruption !== null) return { kind: 'reconnecting', unsaved, ...this.#interruption }
      return { kind: 'connecting', unsaved }
    }
    if (!this.provider.synced) return { kind: 'connecting', unsaved }
    if (this.#access === 'read') return { kind: 'read-only', refused: this.#hasRefusedEdits }
    if (this.#saves.isConfirmed) return { kind: 'saved' }
    return this.#saves.isSupported && unsaved > 0 ? { kind: 'saving', unsaved } : { kind: 'live' }
  }
}
