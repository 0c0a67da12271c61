import { setMaxListeners } from 'node:events'
import type { ResolvedCommDeps } from '../deps.ts'
import { CommError } from '../errors.ts'
import { hexOf } from '../hex.ts'
import type { ResolvedCommOptions } from '../options.ts'
import type { SendQueue } from '../queues/send-queue.ts'
import type { RemotePeer } from '../remote-peer.ts'
import { RepeatedLines } from '../repeated-lines.ts'
import { GossipServer } from '../transport/gossip-server.ts'
import type { ConnectionInfo } from '../types.ts'
import { Acceptor } from './acceptor.ts'
import { Barred } from './barred.ts'
import type { Connection, ConnectionHost } from './connection.ts'
import { Destinations } from './destinations.ts'
import { Dialer } from './dialer.ts'
import { ExpectedPeer } from './expected-peer.ts'
import { holdOf } from './hold.ts'
import { LiveConnections } from './live-connections.ts'
import { PresumedDead } from './presumed-dead.ts'

/** What a {@link ConnectionManager} tells the comm. */
export interface ConnectionManagerHost extends Pick<ConnectionHost, 'dispatch' | 'onAck'> {
  readonly ownPkiId: Uint8Array
  onPresumedDead(pkiId: Uint8Array): void
  onIdentitySwitch(expected: Uint8Array): void
}

/** Puts together who accepts, who dials and who keeps connections, and says who may have one. */
export class ConnectionManager {
  readonly #deps: ResolvedCommDeps
  readonly #options: ResolvedCommOptions
  readonly #ownPkiId: Uint8Array
  readonly #server: GossipServer
  readonly #dialer: Dialer
  readonly #expected: ExpectedPeer
  readonly #live: LiveConnections
  readonly #destinations: Destinations
  readonly #barred: Barred
  readonly #stopping = new AbortController()
  #releaseOwn: () => void = () => undefined

  constructor(deps: ResolvedCommDeps, options: ResolvedCommOptions, host: ConnectionManagerHost) {
    const { ownPkiId } = host
    this.#deps = deps
    this.#options = options
    this.#ownPkiId = ownPkiId
    // Every handshake under way listens to it.
    setMaxListeners(0, this.#stopping.signal)
    const lines = new RepeatedLines(deps.clock, deps.logger)
    const presumedDead = new PresumedDead((pkiId) => host.onPresumedDead(pkiId))
    this.#barred = new Barred(deps.clock, options.barMs)
    this.#dialer = new Dialer(deps, options, ownPkiId)
    this.#expected = new ExpectedPeer({
      mapper: deps.mapper,
      lines,
      onIdentitySwitch: (expected) => host.onIdentitySwitch(expected),
    })
    this.#server = new GossipServer(options, {
      ...deps,
      onStream: (stream) => void acceptor.accept(stream),
    })
    const acceptor = new Acceptor(deps, options, {
      ownPkiId,
      server: this.#server,
      stopping: this.#stopping.signal,
      keep: (stream, info) => {
        this.#admit(info)
        this.#live.register(stream, info, false)
      },
    })
    this.#live = new LiveConnections(deps, options, {
      ...{ ownPkiId, lines, presumedDead },
      dispatch: (message) => host.dispatch(message),
      onAck: (info, nonce, ack) => host.onAck(info, nonce, ack),
      onFlood: ({ pkiId, endpoint }) => this.bar({ pkiId, endpoint }, 'too many frames'),
      onConnected: (connection) => this.#destinations.onConnected(connection),
      onLost: (key, refusal) => this.#destinations.onLost(key, refusal),
      onReleased: (endpoint) => this.#server.unsettle(endpoint),
    })
    this.#destinations = new Destinations({
      ...deps,
      ...options,
      lines,
      connection: (key) => (key === undefined ? undefined : this.#live.get(key)),
      connect: (peer) => this.#connect(peer),
      onUnreachable: ({ pkiId }) => {
        if (pkiId !== undefined) presumedDead.presume(pkiId)
      },
    })
  }

  /** Listens. @returns `host:port` @throws {CommError} COMM_IDENTITY_REFUSED, COMM_LISTEN_FAILED */
  async listen(): Promise<string> {
    const { mapper } = this.#deps
    const release = holdOf(() => mapper.hold(this.#ownPkiId, (reason) => this.#onOwnPurged(reason)))
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
    return this.#live.pkiIds()
  }

  /** Closes the connection to `peer`, on purpose. */
  closeConn(peer: RemotePeer): void {
    if (peer.pkiId !== undefined) this.#live.closeTo(peer.pkiId, 'closed')
  }

  /** See `Comm.bar`. */
  bar({ pkiId }: RemotePeer, reason: string): void {
    if (pkiId === undefined) return
    const { logger } = this.#deps
    const { barMs } = this.#options
    const endpoint = this.#live.get(hexOf(pkiId))?.info.endpoint
    this.#barred.add(pkiId)
    logger?.warn('peer barred', { endpoint, pkiId: hexOf(pkiId), reason, forMs: barMs })
    this.#live.closeTo(pkiId, `barred: ${reason}`)
  }

  /** See `Comm.isBarred`. */
  isBarred({ pkiId }: RemotePeer): boolean {
    return this.#barred.has(pkiId)
  }

  /** See {@link Dialer.probe}. */
  async probe(peer: RemotePeer, signal: AbortSignal | undefined): Promise<void> {
    await this.#dialer.probe(peer.endpoint, this.#signal(signal))
  }

  /** Authenticates the peer over a connection of its own. @returns its identity */
  async handshake(peer: RemotePeer, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { info, decline } = await this.#dialer.open(peer.endpoint, this.#signal(signal))
    decline()
    this.#expected.checkExactly(peer, info)
    return info.identity
  }

  /** Ends every connection: gently until `signal` aborts or `connTimeoutMs` have passed. */
  async stop(signal: AbortSignal | undefined): Promise<void> {
    const error = new CommError('COMM_STOPPED', 'comm is stopping')
    this.#server.refuseNew()
    this.#stopping.abort(error)
    this.#destinations.close(error)
    this.#releaseOwn()
    await this.#live.end('shutting down', signal)
    await this.#server.stop()
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
      this.#expected.check(peer, info)
      const living = this.#live.get(hexOf(info.pkiId))
      if (living?.open === true) {
        decline()
        return living
      }
      this.#admit(info)
      accept()
    } catch (error) {
      decline()
      throw error
    }
    try {
      return this.#live.register(stream, info, true)
    } catch (error) {
      stream.abort()
      throw error
    }
  }

  /** @throws {CommError} when the peer may have no connection */
  #admit(info: ConnectionInfo): void {
    this.#stopping.signal.throwIfAborted()
    this.#barred.check(info.pkiId)
    this.#live.checkRoom(info)
  }

  /** Nobody takes this node for what it says any more. */
  #onOwnPurged(reason: string): void {
    this.#deps.logger?.error('own identity is gone: every connection is closed', { reason })
    this.#live.closeAll(`own identity is ${reason}`)
  }
}
