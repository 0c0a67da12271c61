import { setMaxListeners } from 'node:events'
import { BoundedMap, Budget } from '@heddle/events'
import type { gossip } from '@heddle/proto'
import { hearIntroduction, introduce, noCertificate } from './authenticate.ts'
import { Connection } from './connection.ts'
import type { ConnectionEnd, ConnectionHost } from './connection.ts'
import { ConnectionStore } from './connection-store.ts'
import { Barred } from './barred.ts'
import { abortable } from './deadline.ts'
import type { ResolvedCommDeps } from './deps.ts'
import { Destinations } from './destinations.ts'
import { Dialer } from './dialer.ts'
import { CommError, reasonOf } from './errors.ts'
import { GossipServer } from './gossip-server.ts'
import type { GossipStream } from './gossip-stream.ts'
import type { Introduced } from './handshake.ts'
import { watch } from './heartbeat.ts'
import { hexOf } from './hex.ts'
import type { ResolvedCommOptions } from './options.ts'
import { PresumedDead } from './presumed-dead.ts'
import { RepeatedLines } from './repeated-lines.ts'
import type { SendQueue } from './send-queue.ts'
import type { RemotePeer } from './remote-peer.ts'
import type { ConnectionInfo, ReceivedMessage } from './types.ts'

/** Lines about one peer that comes and goes, in a minute, of either kind. */
const maxLinesForPeer = 10

/** So many seconds' worth of frames may come at once. */
const burstSeconds = 5

/** What a {@link ConnectionManager} tells the comm. */
export interface ConnectionManagerHost {
  readonly ownPkiId: Uint8Array
  dispatch(message: ReceivedMessage): Promise<unknown> | undefined
  onAck(info: ConnectionInfo, nonce: bigint, ack: gossip.Acknowledgement): void
  onPresumedDead(pkiId: Uint8Array): void
  onIdentitySwitch(expected: Uint8Array): void
}

/** Accepts, dials, authenticates, and keeps the connections. */
export class ConnectionManager {
  readonly #deps: ResolvedCommDeps
  readonly #options: ResolvedCommOptions
  readonly #host: ConnectionManagerHost
  readonly #connectionHost: ConnectionHost
  readonly #store: ConnectionStore
  readonly #destinations: Destinations
  readonly #dialer: Dialer
  readonly #server: GossipServer
  readonly #serverCertHash: Uint8Array
  readonly #lines: RepeatedLines
  readonly #stopping = new AbortController()
  readonly #presumedDead: PresumedDead
  readonly #barred: Barred
  /** Of the peers heard lately, by PKI-ID in hex: a new connection begins with what the last one left. */
  readonly #budgets: BoundedMap<Budget<'frames'>>
  // What to do when a connection is over.
  readonly #endings = new Map<Connection, () => void>()
  #releaseOwn: () => void = () => undefined
  // Who waits for the last connection to end.
  #onEmpty: (() => void) | undefined

  constructor(deps: ResolvedCommDeps, options: ResolvedCommOptions, host: ConnectionManagerHost) {
    this.#deps = deps
    this.#options = options
    this.#host = host
    this.#lines = new RepeatedLines(deps.clock, deps.logger)
    this.#presumedDead = new PresumedDead((pkiId) => host.onPresumedDead(pkiId))
    // Every handshake under way listens to it.
    setMaxListeners(0, this.#stopping.signal)
    this.#serverCertHash = options.tls.server.certificateHash
    this.#store = this.#createStore()
    this.#barred = new Barred(deps.clock, options.barMs)
    this.#budgets = new BoundedMap(options.maxConnections)
    this.#dialer = new Dialer(deps, options, host.ownPkiId)
    this.#server = new GossipServer(options, {
      ...deps,
      onStream: (stream) => void this.#accept(stream),
    })
    this.#destinations = new Destinations({
      ...deps,
      ...options,
      lines: this.#lines,
      connection: (key) => (key === undefined ? undefined : this.#store.get(key)),
      connect: (peer) => this.#connect(peer),
      onUnreachable: ({ pkiId }) => {
        if (pkiId !== undefined) this.#presumedDead.presume(pkiId)
      },
    })
    this.#connectionHost = {
      ...deps,
      ...options,
      dispatch: (message) => host.dispatch(message),
      onAck: (info, nonce, ack) => host.onAck(info, nonce, ack),
      onOver: (connection, end) => this.#onOver(connection, end),
      budgetOf: ({ pkiId }) => this.#budgetOf(hexOf(pkiId)),
      onFlood: ({ pkiId, endpoint }) => this.bar({ pkiId, endpoint }, 'too many frames'),
    }
  }

  /** Listens. @returns `host:port` @throws {CommError} COMM_IDENTITY_REFUSED, COMM_LISTEN_FAILED */
  async listen(): Promise<string> {
    const { mapper } = this.#deps
    const release = holdOf(() =>
      mapper.hold(this.#host.ownPkiId, (reason) => this.#onOwnPurged(reason)),
    )
    try {
      const address = await this.#server.start()
      this.#releaseOwn = release
      return address
    } catch (error) {
      release()
      throw error
    }
  }

  /** Where messages for `peer` go. */
  queue(peer: RemotePeer): SendQueue {
    return this.#destinations.queue(peer)
  }

  /** The connection to `peer`, dialled if need be. */
  connection(peer: RemotePeer): Promise<Connection> {
    return this.#destinations.connection(peer)
  }

  /** PKI-IDs of the peers connected. */
  pkiIds(): Uint8Array[] {
    return this.#store.active().map((connection) => connection.info.pkiId)
  }

  /** Closes the connection to `peer`, on purpose. */
  closeConn(peer: RemotePeer): void {
    if (peer.pkiId !== undefined) this.#closeAll(peer.pkiId, 'closed')
  }

  /** See `Comm.bar`. */
  bar({ pkiId }: RemotePeer, reason: string): void {
    if (pkiId === undefined) return
    const { logger } = this.#deps
    const { barMs } = this.#options
    const endpoint = this.#store.get(hexOf(pkiId))?.info.endpoint
    this.#barred.add(pkiId)
    logger?.warn('peer barred', { endpoint, pkiId: hexOf(pkiId), reason, forMs: barMs })
    this.#closeAll(pkiId, `barred: ${reason}`)
  }

  /** See `Comm.isBarred`. */
  isBarred({ pkiId }: RemotePeer): boolean {
    return this.#barred.has(pkiId)
  }

  #closeAll(pkiId: Uint8Array, reason: string): void {
    const key = hexOf(pkiId)
    // When one closes, the surplus one of a simultaneous dial would step in.
    for (let next = this.#store.get(key); next !== undefined; next = this.#store.get(key)) {
      next.close(reason)
    }
  }

  #budgetOf(key: string): Budget<'frames'> {
    const { maxFramesPerSecond: perSecond, maxHeldMs } = this.#options
    const frames = { perSecond, burst: burstSeconds * perSecond }
    const known = this.#budgets.get(key)
    const budget = known ?? new Budget(this.#deps.clock, { limits: { frames }, maxHeldMs })
    this.#budgets.set(key, budget)
    return budget
  }

  /** See {@link Dialer.probe}. */
  async probe(peer: RemotePeer, signal: AbortSignal | undefined): Promise<void> {
    await this.#dialer.probe(peer.endpoint, this.#signal(signal))
  }

  /** Authenticates the peer over a connection of its own. @returns its identity */
  async handshake(peer: RemotePeer, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { info, decline } = await this.#dialer.open(peer.endpoint, this.#signal(signal))
    decline()
    const { pkiId: expected, accepts } = peer
    const isExpected = expected === undefined || equal(expected, info.pkiId)
    if (!isExpected && accepts?.(info.identity) !== true) {
      throw new CommError(
        'COMM_UNEXPECTED_PEER',
        "PKI-ID of remote peer doesn't match expected PKI-ID",
      )
    }
    return info.identity
  }

  /** Ends every connection: gently until `signal` aborts or `connTimeoutMs` have passed. */
  async stop(signal: AbortSignal | undefined): Promise<void> {
    const error = new CommError('COMM_STOPPED', 'comm is stopping')
    this.#server.refuseNew()
    this.#stopping.abort(error)
    this.#destinations.close(error)
    this.#releaseOwn()
    for (const connection of this.#store.all()) connection.finish('shutting down')
    await this.#emptied(signal)
    for (const connection of this.#store.all()) connection.close('shutting down')
    this.#store.clearTimers()
    await this.#server.stop()
  }

  #createStore(): ConnectionStore {
    const { connTimeoutMs, maxConnections } = this.#options
    return new ConnectionStore(this.#deps.clock, {
      ownPkiId: this.#host.ownPkiId,
      maxConnections,
      // Whoever accepts waits no longer than connTimeoutMs for an introduction; as much for the way.
      simultaneousMs: 2 * connTimeoutMs,
      graceMs: connTimeoutMs,
      onCount: (count) => this.#deps.metrics.connections.set(count),
    })
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    const own = this.#stopping.signal
    return signal === undefined ? own : AbortSignal.any([own, signal])
  }

  /** Dials; a peer that turns out to be connected stays so, and never hears of it. */
  async #connect(peer: RemotePeer): Promise<Connection> {
    this.#barred.check(peer.pkiId)
    const { stream, info, accept, decline } = await this.#dialer.open(
      peer.endpoint,
      this.#stopping.signal,
    )
    try {
      this.#checkExpected(peer, info)
      const living = this.#store.get(hexOf(info.pkiId))
      if (living?.open === true) {
        decline()
        return living
      }
      this.#checkRoom(info)
      accept()
    } catch (error) {
      decline()
      throw error
    }
    try {
      return this.#register(stream, info, true)
    } catch (error) {
      stream.abort()
      throw error
    }
  }

  /** @see fabric v3.1 gossip/comm/comm_impl.go createConnection (FAB-10970, FAB-16651) */
  #checkExpected(
    { pkiId: expected, endpoint, accepts }: RemotePeer,
    { pkiId: actual, identity }: ConnectionInfo,
  ): void {
    if (expected === undefined || expected.length === 0 || equal(expected, actual)) return
    if (accepts?.(identity) === true) return
    const fields = { endpoint, expected: hexOf(expected), actual: hexOf(actual) }
    if (!this.#sameOrganization(expected, actual)) {
      const line = { event: 'unexpected peer', about: endpoint, most: 1 }
      this.#lines.write('warn', { ...line, fields })
      throw new CommError('COMM_UNEXPECTED_PEER', 'authentication failure')
    }
    const line = { event: 'peer has changed its identity', about: endpoint, most: 1 }
    this.#lines.write('info', { ...line, fields })
    this.#host.onIdentitySwitch(Uint8Array.prototype.slice.call(expected))
  }

  #sameOrganization(one: Uint8Array, other: Uint8Array): boolean {
    const { mapper } = this.#deps
    const [first, second] = [mapper.organizationOf(one), mapper.organizationOf(other)]
    return first !== undefined && second !== undefined && equal(first, second)
  }

  async #accept(stream: GossipStream): Promise<void> {
    const { endpoint } = stream
    try {
      const introduced = await this.#authenticateIncoming(stream)
      if (introduced.probe) {
        this.#deps.logger?.debug('peer probed us', { endpoint })
        stream.finish()
        return
      }
      this.#checkRoom(introduced.info)
      this.#register(stream, introduced.info, false)
      this.#server.settle(endpoint)
    } catch (error) {
      // A stop is nobody's fault, and no refusal.
      if (!this.#stopping.signal.aborted) this.#refuse(endpoint, error)
      stream.abort(reasonOf(error))
    }
  }

  #refuse(endpoint: string, error: unknown): void {
    const code = error instanceof CommError ? error.code : 'COMM_HANDSHAKE_FAILED'
    const reason = reasonOf(error)
    this.#deps.metrics.refusals.add(1, { code })
    // Then it was the other side that ended it, or the listener has said already what it refused.
    if (code === 'COMM_REFUSED_BY_PEER') {
      this.#deps.logger?.debug('handshake broken off', { endpoint, reason })
    } else this.#server.refused(endpoint, 'handshake refused', { code, reason })
  }

  async #authenticateIncoming(stream: GossipStream): Promise<Introduced> {
    const { mapper, clock } = this.#deps
    const { signal } = this.#stopping
    if (signal.aborted) throw new CommError('COMM_STOPPED', 'shutting down')
    // Nothing is said to someone who cannot be bound to the TLS connection.
    if (stream.remoteCertificate === undefined) throw noCertificate()
    const { identity, connTimeoutMs: timeoutMs } = this.#options
    const { ownPkiId: pkiId } = this.#host
    introduce(stream, { pkiId, identity, tlsCertHash: this.#serverCertHash, probe: false }, mapper)
    return hearIntroduction({ stream, mapper, clock, timeoutMs, signal })
  }

  #checkRoom({ pkiId }: ConnectionInfo): void {
    this.#stopping.signal.throwIfAborted()
    this.#barred.check(pkiId)
    if (!this.#store.full || this.#store.get(hexOf(pkiId)) !== undefined) return
    const message = `${this.#options.maxConnections} peers are connected`
    throw new CommError('COMM_TOO_MANY_CONNECTIONS', message)
  }

  #register(stream: GossipStream, info: ConnectionInfo, dialled: boolean): Connection {
    const { clock, mapper } = this.#deps
    const release = holdOf(() =>
      mapper.hold(info.pkiId, (reason) => connection.close(`its identity is ${reason}`)),
    )
    const establishedAt = clock.now()
    const connection: Connection = new Connection(
      stream,
      { info, dialled, establishedAt },
      this.#connectionHost,
    )
    const heartbeat = watch(stream, connection, { ...this.#options, clock })
    this.#endings.set(connection, () => {
      heartbeat?.stop()
      release()
    })
    const active = this.#store.add(connection)
    const pkiId = hexOf(info.pkiId)
    const line = { event: 'peer connected', about: pkiId, most: maxLinesForPeer }
    this.#lines.write('info', { ...line, fields: { endpoint: info.endpoint, pkiId, dialled } })
    stream.attach(connection)
    connection.start()
    this.#destinations.onConnected(active)
    return active
  }

  /** Nobody takes this node for what it says any more. */
  #onOwnPurged(reason: string): void {
    this.#deps.logger?.error('own identity has gone: every connection is closed', { reason })
    for (const connection of this.#store.all()) connection.close(`own identity is ${reason}`)
  }

  #onOver(connection: Connection, end: ConnectionEnd): void {
    const { pkiId, endpoint } = connection.info
    const { endedBy, reason } = end
    const key = hexOf(pkiId)
    this.#endings.get(connection)?.()
    this.#endings.delete(connection)
    if (!connection.dialled) this.#server.unsettle(endpoint)
    if (this.#store.remove(connection).lost) {
      const line = { event: 'peer disconnected', about: key, most: maxLinesForPeer }
      this.#lines.write('info', { ...line, fields: { endpoint, pkiId: key, endedBy, reason } })
      const refusal = this.#refusalOf(connection, end)
      this.#destinations.onLost(key, refusal)
      if (refusal === undefined) this.#presumedDead.wasBack(pkiId)
      if (endedBy === 'them') this.#presumedDead.presume(pkiId)
    }
    if (this.#store.all().length === 0) this.#onEmpty?.()
  }

  /** Who accepts a connection does not say so; one that is refused soon never was one. */
  #refusalOf(connection: Connection, { refused, reason }: ConnectionEnd): CommError | undefined {
    const { heard, establishedAt, info } = connection
    const lastedMs = this.#deps.clock.now() - establishedAt
    if (refused !== true || heard || lastedMs >= this.#options.connTimeoutMs) return undefined
    return new CommError('COMM_REFUSED_BY_PEER', `refused by ${info.endpoint}: ${reason}`)
  }

  async #emptied(signal: AbortSignal | undefined): Promise<void> {
    if (this.#store.all().length === 0 || signal?.aborted === true) return
    const late = new AbortController()
    const timer = this.#deps.clock.schedule(this.#options.connTimeoutMs, () => late.abort())
    const ended = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal])
    try {
      await abortable<undefined>(ended, (resolve) => {
        this.#onEmpty = () => resolve(undefined)
      })
    } catch {
      // Time is over: what is left is cut.
    } finally {
      timer.cancel()
    }
  }
}

function holdOf(hold: () => () => void): () => void {
  try {
    return hold()
  } catch (cause) {
    throw new CommError('COMM_IDENTITY_REFUSED', reasonOf(cause), { cause })
  }
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
