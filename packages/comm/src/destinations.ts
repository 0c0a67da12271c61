import type { Clock, ClockTimer, Logger } from '@heddle/interface'
import type { Connection } from './connection.ts'
import { Dialing } from './dialing.ts'
import { CommError, reasonOf } from './errors.ts'
import { hexOf } from './hex.ts'
import type { CommMetrics } from './metrics.ts'
import type { SendQueue } from './send-queue.ts'
import type { RemotePeer } from './remote-peer.ts'

/** Names of live connections other than their PKI-ID that are remembered; the oldest is forgotten. */
const maxAliases = 1000
/** Dials at one time, with those that failed a moment ago. */
const maxDialing = 1000

/** What {@link Destinations} needs from the comm. */
export interface DestinationsHost {
  readonly clock: Clock
  readonly logger: Logger | undefined
  readonly metrics: CommMetrics
  readonly redialDelayMs: number
  readonly sendBufferSize: number
  readonly maxMessageBytes: number
  /** The connection with the peer that has this PKI-ID, in hex. */
  connection(key: string): Connection | undefined
  /** Dials; the result is registered already and is the one to use. */
  connect(peer: RemotePeer): Promise<Connection>
  /** A dial has failed and there is no connection to the peer. */
  onUnreachable(peer: RemotePeer): void
}

/**
 * From a {@link RemotePeer} to the queue that its messages go into: that of its connection, or that
 * of a dial. There is at most one dial to a destination at a time, and none right after one that
 * failed.
 */
export class Destinations {
  readonly #host: DestinationsHost
  readonly #dialing = new Map<string, Dialing>()
  // Peers named by endpoint only, or by a PKI-ID that they have changed.
  readonly #aliases = new Map<string, Connection>()
  // One for each dial that failed a moment ago.
  readonly #redials = new Set<ClockTimer>()
  #closed: CommError | undefined

  constructor(host: DestinationsHost) {
    this.#host = host
  }

  /** Where messages for `peer` go. A dial starts if it must. */
  queue(peer: RemotePeer): SendQueue {
    const key = keyOf(peer)
    const connection = this.#connected(key)
    return connection === undefined ? this.#dial(key, peer).queue : connection.outgoing
  }

  /** The connection to `peer`. A dial starts if it must. */
  connection(peer: RemotePeer): Promise<Connection> {
    const key = keyOf(peer)
    const connection = this.#connected(key)
    return connection === undefined ? this.#dial(key, peer).connected : Promise.resolve(connection)
  }

  /** A connection has come into use, whoever opened it: what waits for a dial to that peer goes. */
  onConnected(connection: Connection): void {
    const dialing = this.#dialing.get(hexOf(connection.info.pkiId))
    if (dialing !== undefined) this.#succeed(dialing, connection)
  }

  /** A connection is over. */
  forget(connection: Connection): void {
    for (const [alias, other] of this.#aliases) {
      if (other === connection) this.#aliases.delete(alias)
    }
  }

  /** Refuses everything that waits and everything that comes. */
  close(error: CommError): void {
    this.#closed = error
    for (const dialing of this.#dialing.values()) {
      this.#host.metrics.undeliverable.add(dialing.fail(error))
    }
    for (const timer of this.#redials) timer.cancel()
    this.#redials.clear()
    this.#dialing.clear()
    this.#aliases.clear()
  }

  #connected(key: string): Connection | undefined {
    const connection = this.#host.connection(key) ?? this.#aliases.get(key)
    return connection?.open === true ? connection : undefined
  }

  #dial(key: string, peer: RemotePeer): Dialing {
    const existing = this.#dialing.get(key)
    if (existing !== undefined) return existing
    const { sendBufferSize: capacity, maxMessageBytes: maxBytes } = this.#host
    const dialing = new Dialing(peer, { capacity, maxBytes })
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      dialing.fail(refusal)
      return dialing
    }
    this.#dialing.set(key, dialing)
    void this.#run(key, dialing)
    return dialing
  }

  #refusal(): CommError | undefined {
    if (this.#closed !== undefined) return this.#closed
    if (this.#dialing.size < maxDialing) return undefined
    return new CommError('COMM_QUEUE_FULL', `${maxDialing} peers are being dialled`)
  }

  async #run(key: string, dialing: Dialing): Promise<void> {
    try {
      const connection = await this.#host.connect(dialing.peer)
      if (hexOf(connection.info.pkiId) !== key) this.#remember(key, connection)
      this.#dialing.delete(key)
      this.#succeed(dialing, connection)
    } catch (error) {
      this.#onFailure(key, dialing, asCommError(error))
    }
  }

  #succeed(dialing: Dialing, connection: Connection): void {
    this.#host.metrics.undeliverable.add(dialing.succeed(connection))
  }

  #onFailure(key: string, dialing: Dialing, error: CommError): void {
    if (this.#closed !== undefined) return
    const connection = this.#connected(key)
    if (connection !== undefined) {
      // The peer has reached us meanwhile.
      this.#dialing.delete(key)
      this.#succeed(dialing, connection)
      return
    }
    const { clock, logger, metrics, redialDelayMs } = this.#host
    metrics.undeliverable.add(dialing.fail(error))
    logger?.warn('cannot connect', { endpoint: dialing.peer.endpoint, code: error.code }, error)
    const forget = clock.schedule(redialDelayMs, () => {
      this.#redials.delete(forget)
      if (this.#dialing.get(key) === dialing) this.#dialing.delete(key)
    })
    this.#redials.add(forget)
    this.#host.onUnreachable(dialing.peer)
  }

  #remember(alias: string, connection: Connection): void {
    const oldest = this.#aliases.keys().next()
    if (this.#aliases.size >= maxAliases && oldest.done !== true) this.#aliases.delete(oldest.value)
    this.#aliases.set(alias, connection)
  }
}

/** PKI-ID in hex, or the endpoint of a peer without one (which contains a colon and so is no hex). */
function keyOf(peer: RemotePeer): string {
  return peer.pkiId === undefined || peer.pkiId.length === 0 ? peer.endpoint : hexOf(peer.pkiId)
}

function asCommError(error: unknown): CommError {
  if (error instanceof CommError) return error
  return new CommError('COMM_UNREACHABLE', reasonOf(error), { cause: error })
}
