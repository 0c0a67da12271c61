import { abortable } from '../deadline.ts'
import type { ResolvedCommDeps } from '../deps.ts'
import { CommError } from '../errors.ts'
import { hexOf } from '../hex.ts'
import type { ResolvedCommOptions } from '../options.ts'
import type { RepeatedLines } from '../repeated-lines.ts'
import type { GossipStream } from '../transport/gossip-stream.ts'
import type { ConnectionInfo } from '../types.ts'
import { ConnectionStore } from './connection-store.ts'
import { Connection } from './connection.ts'
import type { ConnectionEnd, ConnectionHost } from './connection.ts'
import { FrameBudgets } from './frame-budgets.ts'
import { watch } from './heartbeat.ts'
import { holdOf } from './hold.ts'
import type { PresumedDead } from './presumed-dead.ts'

/** Lines about one peer that comes and goes, in a minute, of either kind. */
const maxLinesForPeer = 10

/** What {@link LiveConnections} tell the comm. */
export interface LiveConnectionsHost extends Pick<
  ConnectionHost,
  'dispatch' | 'onAck' | 'onFlood'
> {
  readonly ownPkiId: Uint8Array
  readonly lines: RepeatedLines
  readonly presumedDead: PresumedDead
  /** There is a connection to its peer, and this is the one to use. */
  onConnected(connection: Connection): void
  /** There is none any more. `refusal`: the other side refused it, so there never was one. */
  onLost(key: string, refusal: CommError | undefined): void
  /** A connection that was accepted from `endpoint` is over. */
  onReleased(endpoint: string): void
}

/** The connections that there are, from their registration to their end. */
export class LiveConnections {
  readonly #deps: ResolvedCommDeps
  readonly #options: ResolvedCommOptions
  readonly #host: LiveConnectionsHost
  readonly #connectionHost: ConnectionHost
  readonly #store: ConnectionStore
  // What to do when a connection is over.
  readonly #endings = new Map<Connection, () => void>()
  // Who waits for the last connection to end.
  #onEmpty: (() => void) | undefined

  constructor(deps: ResolvedCommDeps, options: ResolvedCommOptions, host: LiveConnectionsHost) {
    this.#deps = deps
    this.#options = options
    this.#host = host
    this.#store = storeOf(deps, options, host.ownPkiId)
    const budgets = new FrameBudgets(deps.clock, options)
    this.#connectionHost = {
      ...deps,
      ...options,
      dispatch: (message) => host.dispatch(message),
      onAck: (info, nonce, ack) => host.onAck(info, nonce, ack),
      onFlood: (info) => host.onFlood(info),
      onOver: (connection, end) => this.#onOver(connection, end),
      budgetOf: ({ pkiId }) => budgets.of(pkiId),
    }
  }

  /** The connection to the peer with this PKI-ID in hex. */
  get(key: string): Connection | undefined {
    return this.#store.get(key)
  }

  /** PKI-IDs of the peers connected. */
  pkiIds(): Uint8Array[] {
    return this.#store.active().map((connection) => connection.info.pkiId)
  }

  /** @throws {CommError} COMM_TOO_MANY_CONNECTIONS unless the peer has one, or may have a further one */
  checkRoom({ pkiId }: ConnectionInfo): void {
    if (!this.#store.full || this.#store.get(hexOf(pkiId)) !== undefined) return
    const message = `${this.#options.maxConnections} peers are connected`
    throw new CommError('COMM_TOO_MANY_CONNECTIONS', message)
  }

  /**
   * There is a connection over `stream`.
   * @returns the one to use: this one, or one that there was
   * @throws {CommError} COMM_IDENTITY_REFUSED when the identity has gone meanwhile
   */
  register(stream: GossipStream, info: ConnectionInfo, dialled: boolean): Connection {
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
    this.#host.lines.write('info', { ...line, fields: { endpoint: info.endpoint, pkiId, dialled } })
    stream.attach(connection)
    connection.start()
    this.#host.onConnected(active)
    return active
  }

  /** Closes those to one peer, on purpose. */
  closeTo(pkiId: Uint8Array, reason: string): void {
    const key = hexOf(pkiId)
    // When one closes, the surplus one of a simultaneous dial would step in.
    for (let next = this.#store.get(key); next !== undefined; next = this.#store.get(key)) {
      next.close(reason)
    }
  }

  /** Closes all, at once. */
  closeAll(reason: string): void {
    for (const connection of this.#store.all()) connection.close(reason)
  }

  /** Ends all: gently until `signal` aborts or `connTimeoutMs` have passed. */
  async end(reason: string, signal: AbortSignal | undefined): Promise<void> {
    for (const connection of this.#store.all()) connection.finish(reason)
    await this.#emptied(signal)
    this.closeAll(reason)
    this.#store.clearTimers()
  }

  #onOver(connection: Connection, end: ConnectionEnd): void {
    const { pkiId, endpoint } = connection.info
    const { endedBy, reason } = end
    const key = hexOf(pkiId)
    this.#endings.get(connection)?.()
    this.#endings.delete(connection)
    if (!connection.dialled) this.#host.onReleased(endpoint)
    if (this.#store.remove(connection).lost) {
      const line = { event: 'peer disconnected', about: key, most: maxLinesForPeer }
      this.#host.lines.write('info', { ...line, fields: { endpoint, pkiId: key, endedBy, reason } })
      const refusal = this.#refusalOf(connection, end)
      this.#host.onLost(key, refusal)
      if (refusal === undefined) this.#host.presumedDead.wasBack(pkiId)
      if (endedBy === 'them') this.#host.presumedDead.presume(pkiId)
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

function storeOf(
  { clock, metrics }: ResolvedCommDeps,
  { connTimeoutMs, maxConnections }: ResolvedCommOptions,
  ownPkiId: Uint8Array,
): ConnectionStore {
  return new ConnectionStore(clock, {
    ownPkiId,
    maxConnections,
    // Whoever accepts waits no longer than connTimeoutMs for an introduction; as much for the way.
    simultaneousMs: 2 * connTimeoutMs,
    graceMs: connTimeoutMs,
    onCount: (count) => metrics.connections.set(count),
  })
}
