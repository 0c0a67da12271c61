import { setMaxListeners } from 'node:events'
import type { gossip } from '@heddle/proto'
import { authenticate, noCertificate } from './authenticate.ts'
import { Connection } from './connection.ts'
import type { ConnectionHost } from './connection.ts'
import { ConnectionStore } from './connection-store.ts'
import { abortable } from './deadline.ts'
import type { ResolvedCommDeps } from './deps.ts'
import { Destinations } from './destinations.ts'
import { Dialer } from './dialer.ts'
import { CommError, reasonOf } from './errors.ts'
import type { GossipStream, StreamEnd } from './gossip-stream.ts'
import { pemCertificateHash } from './handshake.ts'
import type { Introduced } from './handshake.ts'
import { hexOf } from './hex.ts'
import { Listener } from './listener.ts'
import type { ResolvedCommOptions } from './options.ts'
import type { SendQueue } from './send-queue.ts'
import type { RemotePeer } from './remote-peer.ts'
import type { ConnectionInfo, ReceivedMessage } from './types.ts'

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
  readonly #listener: Listener
  readonly #serverCertHash: Uint8Array
  readonly #stopping = new AbortController()
  readonly #closedOnPurpose = new WeakSet<Connection>()
  // Who waits for the last connection to end.
  #onEmpty: (() => void) | undefined

  constructor(deps: ResolvedCommDeps, options: ResolvedCommOptions, host: ConnectionManagerHost) {
    this.#deps = deps
    this.#options = options
    this.#host = host
    // Every handshake under way listens to it.
    setMaxListeners(0, this.#stopping.signal)
    this.#serverCertHash = pemCertificateHash(options.tls.certificate)
    this.#store = this.#createStore()
    this.#dialer = new Dialer(deps, options, host.ownPkiId)
    this.#listener = new Listener(options, {
      ...deps,
      onStream: (stream) => void this.#accept(stream),
    })
    this.#destinations = new Destinations({
      ...deps,
      ...options,
      connection: (key) => this.#store.get(key),
      connect: (peer) => this.#connect(peer),
      onUnreachable: (peer) => {
        if (peer.pkiId !== undefined) host.onPresumedDead(peer.pkiId)
      },
    })
    this.#connectionHost = {
      ...deps,
      ...options,
      dispatch: (message) => host.dispatch(message),
      onAck: (info, nonce, ack) => host.onAck(info, nonce, ack),
      onOver: (connection, reason) => this.#onOver(connection, reason),
    }
  }

  /** Listens. @returns `host:port` */
  listen(): Promise<string> {
    return this.#listener.start()
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
    if (peer.pkiId === undefined) return
    const key = hexOf(peer.pkiId)
    // When one closes, the surplus one of a simultaneous dial would step in.
    for (let next = this.#store.get(key); next !== undefined; next = this.#store.get(key)) {
      this.#closedOnPurpose.add(next)
      next.close('closed')
    }
  }

  /** See {@link Dialer.probe}. */
  async probe(peer: RemotePeer, signal: AbortSignal | undefined): Promise<void> {
    await this.#dialer.probe(peer.endpoint, this.#signal(signal))
  }

  /** Authenticates the peer over a connection of its own. @returns its identity */
  async handshake(peer: RemotePeer, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { stream, info } = await this.#dialer.open(peer.endpoint, true, this.#signal(signal))
    stream.abort()
    if (peer.pkiId !== undefined && !equal(peer.pkiId, info.pkiId)) {
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
    this.#listener.refuseNew()
    this.#stopping.abort(error)
    this.#destinations.close(error)
    for (const connection of this.#store.all()) connection.finish()
    await this.#emptied(signal)
    for (const connection of this.#store.all()) connection.close('shutting down')
    this.#store.clearTimers()
    await this.#listener.stop()
  }

  #createStore(): ConnectionStore {
    const { dialTimeoutMs, connTimeoutMs, maxConnections } = this.#options
    return new ConnectionStore(this.#deps.clock, {
      ownPkiId: this.#host.ownPkiId,
      maxConnections,
      // Two nodes that dial each other at one moment have connected within the time a dial may take.
      simultaneousMs: dialTimeoutMs + 2 * connTimeoutMs,
      graceMs: connTimeoutMs,
      onCount: (count) => this.#deps.metrics.connections.set(count),
    })
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    const own = this.#stopping.signal
    return signal === undefined ? own : AbortSignal.any([own, signal])
  }

  async #connect(peer: RemotePeer): Promise<Connection> {
    const dialled = await this.#dialer.open(peer.endpoint, false, this.#stopping.signal)
    try {
      this.#checkExpected(peer, dialled.info)
      return this.#register(dialled.stream, dialled, true)
    } catch (error) {
      dialled.stream.abort()
      throw error
    }
  }

  /** @see fabric v3.1 gossip/comm/comm_impl.go createConnection (FAB-10970, FAB-16651) */
  #checkExpected(
    { pkiId: expected, endpoint }: RemotePeer,
    { pkiId: actual }: ConnectionInfo,
  ): void {
    if (expected === undefined || expected.length === 0 || equal(expected, actual)) return
    const fields = { endpoint, expected: hexOf(expected), actual: hexOf(actual) }
    if (!this.#sameOrganization(expected, actual)) {
      this.#deps.logger?.warn('unexpected peer', fields)
      throw new CommError('COMM_UNEXPECTED_PEER', 'authentication failure')
    }
    this.#deps.logger?.info('peer has changed its identity', fields)
    this.#host.onIdentitySwitch(Uint8Array.prototype.slice.call(expected))
  }

  #sameOrganization(one: Uint8Array, other: Uint8Array): boolean {
    let first: Uint8Array | undefined
    let second: Uint8Array | undefined
    for (const { pkiId, organization } of this.#deps.mapper.identityInfo()) {
      if (equal(pkiId, one)) first = organization
      if (equal(pkiId, other)) second = organization
    }
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
      this.#register(stream, introduced, false)
      this.#listener.settle(endpoint)
    } catch (error) {
      this.#refuse(endpoint, error)
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
    } else this.#listener.refused(endpoint, 'handshake refused', { code, reason })
  }

  #authenticateIncoming(stream: GossipStream): Promise<Introduced> {
    if (this.#stopping.signal.aborted) {
      throw new CommError('COMM_STOPPED', 'shutting down')
    }
    // Nothing is said to someone who cannot be bound to the TLS connection.
    if (stream.remoteCertificate === undefined) throw noCertificate()
    const introduction = {
      pkiId: this.#host.ownPkiId,
      identity: this.#options.identity,
      tlsCertHash: this.#serverCertHash,
      probe: false,
    }
    return authenticate({
      stream,
      introduction,
      mapper: this.#deps.mapper,
      clock: this.#deps.clock,
      timeoutMs: this.#options.connTimeoutMs,
      signal: this.#stopping.signal,
    })
  }

  #register(stream: GossipStream, { info }: Introduced, dialled: boolean): Connection {
    this.#stopping.signal.throwIfAborted()
    if (this.#store.full && this.#store.get(hexOf(info.pkiId)) === undefined) {
      const message = `${this.#options.maxConnections} peers are connected`
      throw new CommError('COMM_TOO_MANY_CONNECTIONS', message)
    }
    const establishedAt = this.#deps.clock.now()
    const connection = new Connection(
      stream,
      { info, dialled, establishedAt },
      this.#connectionHost,
    )
    const active = this.#store.add(connection)
    stream.attach(connection)
    connection.start()
    const fields = { endpoint: info.endpoint, pkiId: hexOf(info.pkiId), dialled }
    this.#deps.logger?.info('peer connected', fields)
    this.#destinations.onConnected(active)
    return active
  }

  #onOver(connection: Connection, reason: StreamEnd): void {
    const { pkiId, endpoint } = connection.info
    if (!connection.dialled) this.#listener.unsettle(endpoint)
    this.#destinations.forget(connection)
    const { lost } = this.#store.remove(connection)
    if (lost) {
      this.#deps.logger?.info('peer disconnected', { endpoint, pkiId: hexOf(pkiId), reason })
      const onPurpose = this.#closedOnPurpose.has(connection) || this.#stopping.signal.aborted
      if (!onPurpose) this.#host.onPresumedDead(pkiId)
    }
    if (this.#store.all().length === 0) this.#onEmpty?.()
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

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
