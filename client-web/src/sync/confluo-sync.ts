import * as decoding from 'lib0/decoding'
import type { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
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
import { forgetPeers, joinTabs, nextDelay } from './provider-parts.ts'
import { SaveTracker } from './save-tracker.ts'
import { type Access, isSameStatus, type SyncStatus } from './status.ts'
import { isExpired, type TokenSource, tokenProtocols } from './token.ts'
import { type Renewal, TokenRenewal } from './token-renewal.ts'

/** Longer than the stock 2.5 s, because the status offers to try at once, and a server that restarts is spared. */
const MAX_BACKOFF_MS = 15_000
/** So often in a row no fresh token was to be had before it is told as a fault. */
const FAILURES_TO_TELL = 3
const SYNC_STEP_1 = 0
const UNAUTHORISED = 4401
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
  /** The server has just said that edits are taken, and may still have to tell of some that it refused before. */
  #isNewWriter = false
  #interruption: { reason: CloseReason; retryAt: number } | null = null
  #stop: { reason: CloseReason; detail: string } | null = null
  readonly #renewal: TokenRenewal
  /** The server turned the token down, and a fresh one is being asked for. */
  #refusal: { code: number; detail: string } | null = null
  /** There was nothing fresher than the token at hand, and the server has not yet accepted it. */
  #isTokenFreshest = false
  #isFromServer = false
  #isDestroyed = false
  #editsUnderWay = 0
  #onWritten: (() => void)[] = []

  constructor(options: SyncOptions) {
    this.#options = options
    this.#saves = new SaveTracker(
      options.unsaved,
      (counter) => this.#sendToServer(encodeSaveProbe(counter)),
      () => this.#update(),
    )
    this.#status = { kind: 'connecting', unsaved: this.#saves.unsaved }
    this.#renewal = new TokenRenewal(options.token ?? { initial: null }, (answer) => this.#onRenewal(answer))
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
        protocols: tokenProtocols(this.#renewal.token),
        ...(options.WebSocketPolyfill && { WebSocketPolyfill: options.WebSocketPolyfill }),
        shouldReconnect: (event) => !closeReason(event.code).permanent && !this.#renewsAfter(event.code),
      },
    )
    this.#joinTabsOf(options.lineage)
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

  /** How many edits the server has not confirmed, with those that are still being made. */
  get unsaved(): number {
    return this.#saves.unsaved + this.#editsUnderWay
  }

  /**
   * Tells of an edit that is seen here and not yet in the document, as of an image that is being made smaller. Nothing
   * counts as saved until what this gives is called.
   */
  beginEdit(): () => void {
    this.#editsUnderWay++
    this.#update()
    let isUnderWay = true
    return () => {
      if (!isUnderWay) return
      isUnderWay = false
      this.#editsUnderWay--
      this.#update()
      if (this.#editsUnderWay === 0) for (const run of this.#onWritten.splice(0)) run()
    }
  }

  /** Whether an edit that was begun is not yet in the document. */
  get isWriting(): boolean {
    return this.#editsUnderWay > 0
  }

  /** Resolves when all edits that were begun are in the document: not before may it be closed. */
  async written(): Promise<void> {
    if (this.#editsUnderWay > 0) await new Promise<void>((resolve) => this.#onWritten.push(resolve))
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  connect(): void {
    this.#stop = null
    this.#refusal = null
    this.#isTokenFreshest = false
    this.#renewal.start()
    if (this.#renewal.shouldRenewFirst) void this.#renewAndConnect()
    else this.provider.connect()
    this.#update()
  }

  /** Does not wait for the next attempt. */
  reconnectNow(): void {
    this.#interruption = null
    this.connect()
  }

  /** Goes on with a token that came another way, as from a link that was opened again. */
  useToken(token: string): void {
    this.#renewal.replace(token)
    this.provider.protocols = tokenProtocols(token)
    if (this.#isConnected) this.#sendToServer(encodeToken(token))
    else this.reconnectNow()
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
    this.#renewal.stop()
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
      if (message.kind === 'accepted') this.#onAccess(message.access)
      this.#update()
    }
    provider.messageHandlers[MESSAGE_SAVE_STATUS] = (_encoder, decoder) => {
      const { counter, refused } = decodeSaveReply(decoder)
      const isLatest = this.#saves.confirm(counter, refused)
      if (refused) this.#onRefusal(isLatest && !this.#isNewWriter)
      if (isLatest) this.#isNewWriter = false
      this.#update()
    }
    provider.messageHandlers[MESSAGE_LINEAGE] = (_encoder, decoder) => {
      const lineage = decoding.readVarString(decoder)
      provider.params = { ...provider.params, lineage }
      this.#joinTabsOf(lineage)
      this.#options.onLineage(lineage)
    }
  }

  #watchConnection(): void {
    const { provider } = this
    provider.on('status', ({ status }) => {
      if (status === 'connected') this.#onConnected()
      this.#update()
    })
    provider.on('sync', (isSynced) => {
      if (isSynced) this.#isTokenFreshest = false
      this.#update()
    })
    provider.on('connection-close', (event) => {
      this.#isConnected = false
      this.#saves.connectionLost()
      this.#interruption = {
        reason: this.#interruptionFor(event?.code ?? 1006),
        retryAt: Date.now() + nextDelay(provider),
      }
      queueMicrotask(() => forgetPeers(this.#options.awareness))
      this.#update()
    })
    provider.on('closed', ({ code, reason }) => {
      if (this.#renewsAfter(code)) {
        this.#refusal = { code, detail: reason }
        void this.#renewal.renew()
      } else this.#stopFor(code, reason)
    })
  }

  #onAccess(access: Access): void {
    const hasRefused = this.#access === 'read' && (this.#hasRefusedEdits || this.#saves.unsaved > 0)
    this.#access = access
    this.#isNewWriter = access === 'write'
    if (access === 'read') return
    this.#hasRefusedEdits = false
    // What is under way was asked before; its answer may come after this, and tell of what was refused then.
    if (hasRefused) this.#sendAgain()
    else if (this.#saves.unsaved > 0) this.#saves.askAgain()
  }

  #onRefusal(isForGood: boolean): void {
    if (isForGood) {
      this.#hasRefusedEdits = true
      this.#access = 'read'
    } else this.#sendAgain()
  }

  /** The server has none of what it refused, and an edit is sent only once by itself. */
  #sendAgain(): void {
    this.#sendToServer(encodeUpdate(Y.encodeStateAsUpdate(this.#options.doc)))
    this.#saves.askAgain()
  }

  #onConnected(): void {
    this.#isConnected = true
    this.#interruption = null
    const { token } = this.#renewal
    if (token !== null) this.#sendToServer(encodeToken(token))
    else {
      // Nobody tells what a cookie allows by now, but by refusing.
      this.#access = 'write'
      this.#hasRefusedEdits = false
    }
  }

  /**
   * Tabs hear each other within a lineage only. Otherwise one that has not yet been told of a reset would give the old
   * document to one that has started over, and that one would bring it back to the server.
   */
  #joinTabsOf(lineage: string | null): void {
    const { serverUrl, document } = this.#options
    joinTabs(this.provider, `${serverUrl}/${document}?lineage=${lineage ?? ''}`)
  }

  readonly #onDocUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this.provider) {
      // By its origin, since what an observer here writes meanwhile is an edit like any other.
      if (this.#isFromServer) return
      // Another tab's edit: the stock provider does not pass it on, and if that tab closes nobody would.
      this.#sendToServer(encodeUpdate(update))
    }
    this.#saves.recordEdit()
    this.#update()
  }

  #sendToServer(bytes: Uint8Array<ArrayBuffer>): void {
    const socket = this.provider.ws
    if (this.#isConnected && socket !== null && socket.readyState === 1) socket.send(bytes)
  }

  /** Whether a fresh token may open what this code closed. */
  #renewsAfter(code: number): boolean {
    return (
      (code === UNAUTHORISED || code === TOKEN_EXPIRED) && this.#renewal.canRenew && !this.#isTokenFreshest
    )
  }

  async #renewAndConnect(): Promise<void> {
    const answer = await this.#renewal.renew()
    if (this.#isDestroyed) return
    // Whatever came of it, the server decides: it may need no token, and this device's clock may be wrong.
    this.#isTokenFreshest = answer !== 'unreachable'
    this.provider.connect()
  }

  #onRenewal(answer: Renewal): void {
    if (this.#isDestroyed) return
    const { token, nextAt } = this.#renewal
    const refusal = this.#refusal
    if (answer === 'renewed' && token !== null) {
      this.provider.protocols = tokenProtocols(token)
      this.#sendToServer(encodeToken(token))
    }
    if (refusal === null) return
    if (answer === 'renewed') {
      this.#refusal = null
      this.#isTokenFreshest = true
      this.provider.connect()
    } else if (answer === 'refused') this.#stopFor(refusal.code, refusal.detail)
    else this.#interruption = { reason: this.#interruptionFor(refusal.code), retryAt: nextAt ?? Date.now() }
    this.#update()
  }

  #stopFor(code: number, detail: string): void {
    this.#refusal = null
    this.#renewal.stop()
    this.#stop = { reason: this.#endingFor(code), detail }
    this.#update()
  }

  #interruptionFor(code: number): CloseReason {
    if (!this.#renewsAfter(code)) return closeReason(code)
    const advice =
      this.#renewal.failures < FAILURES_TO_TELL
        ? 'A fresh key is being asked for.'
        : 'No fresh key could be had. Open the link again, or tell whoever runs this.'
    return { ...closeReason(TOKEN_EXPIRED), advice }
  }

  /** At the door an expired token is refused like any other, but a person is better told that it has expired. */
  #endingFor(code: number): CloseReason {
    const { token } = this.#renewal
    if (code !== UNAUTHORISED || token === null || !isExpired(token, Date.now())) return closeReason(code)
    const { meaning, advice } = closeReason(TOKEN_EXPIRED)
    return { ...closeReason(code), meaning, advice }
  }

  #update(): void {
    const next = this.#read()
    if (isSameStatus(this.#status, next)) return
    this.#status = next
    for (const listener of this.#listeners) listener()
  }

  #read(): SyncStatus {
    const { unsaved } = this
    if (this.#stop !== null) return { kind: 'stopped', unsaved, ...this.#stop }
    if (!this.#isConnected) {
      if (!this.#hasNetwork) return { kind: 'offline', unsaved }
      if (this.#interruption !== null) return { kind: 'reconnecting', unsaved, ...this.#interruption }
      return { kind: 'connecting', unsaved }
    }
    if (!this.provider.synced) return { kind: 'connecting', unsaved }
    if (this.#access === 'read') return { kind: 'read-only', refused: this.#hasRefusedEdits }
    if (this.#saves.isConfirmed && this.#editsUnderWay === 0) return { kind: 'saved' }
    return this.#saves.isSupported && unsaved > 0 ? { kind: 'saving', unsaved } : { kind: 'live' }
  }
}
