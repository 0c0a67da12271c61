import { BoundedMap } from '@heddle/events'
import type { Clock } from '@heddle/interface'
import { queueLimits } from './connection.ts'
import type { Connection } from './connection.ts'
import { Dialing } from './dialing.ts'
import { CommError, reasonOf } from '../errors.ts'
import { hexOf } from '../hex.ts'
import type { CommMetrics } from '../metrics.ts'
import type { RepeatedLines } from '../repeated-lines.ts'
import type { SendQueue } from '../queues/send-queue.ts'
import type { RemotePeer } from '../remote-peer.ts'

/** Names of live connections other than their PKI-ID that are remembered; the oldest is forgotten. */
export const maxNames = 1000
/** Dials at one time, with those that failed before; of these, the oldest gives way. */
export const maxDialing = 1000

/** What {@link Destinations} needs from the comm. */
export interface DestinationsHost {
  readonly clock: Clock
  readonly lines: RepeatedLines
  readonly metrics: CommMetrics
  readonly redialDelayMs: number
  readonly maxRedialDelayMs: number
  readonly sendBufferSize: number
  readonly maxMessageBytes: number
  readonly maxWaitingBytes: number
  /** The connection with the peer that has this PKI-ID, in hex. */
  connection(key: string | undefined): Connection | undefined
  /** Dials. The result is registered already and is the one to use: an older one, it may be. */
  connect(peer: RemotePeer): Promise<Connection>
  /** A dial has failed and there is no connection to the peer. */
  onUnreachable(peer: RemotePeer): void
}

/**
 * From a {@link RemotePeer} to the queue that its messages go into: that of its connection, or that
 * of a dial. A connection is found by PKI-ID, by the endpoint that was dialled, and by every other
 * name that led to it. There is at most one dial to a destination at a time; after one that failed
 * the next waits, twice as long each time.
 */
export class Destinations {
  readonly #host: DestinationsHost
  readonly #dialing = new Map<string, Dialing>()
  // Endpoints, and PKI-IDs under which another peer was found, to its PKI-ID in hex.
  readonly #names = new BoundedMap<string>(maxNames)
  // How often in a row a dial has failed.
  readonly #failures = new BoundedMap<number>(maxDialing)
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
    const key = hexOf(connection.info.pkiId)
    if (!connection.dialled) this.#failures.delete(key)
    const dialing = this.#dialing.get(key)
    if (dialing === undefined) return
    if (dialing.retryAt !== undefined) {
      this.#dialing.delete(key)
      return
    }
    if (connection.dialled) this.#names.set(dialing.peer.endpoint, key)
    this.#succeed(dialing, connection)
  }

  /**
   * There is no connection any more with the peer that has this PKI-ID, in hex.
   * @param refusal - it never had accepted the one that we dialled: the next dial waits
   */
  onLost(key: string, refusal: CommError | undefined): void {
    for (const name of [key, ...this.#names.keysOf(key)]) {
      this.#names.delete(name)
      if (refusal === undefined) this.#failures.delete(name)
      else this.#postpone(name, refusal)
    }
  }

  /** Refuses everything that waits and everything that comes. */
  close(error: CommError): void {
    this.#closed = error
    for (const dialing of this.#dialing.values()) {
      this.#host.metrics.undeliverable.add(dialing.fail(error, Infinity))
    }
    this.#dialing.clear()
    this.#names.clear()
  }

  #connected(key: string): Connection | undefined {
    const connection = this.#host.connection(key) ?? this.#host.connection(this.#names.get(key))
    return connection?.open === true ? connection : undefined
  }

  #dial(key: string, peer: RemotePeer): Dialing {
    const existing = this.#dialing.get(key)
    const { clock } = this.#host
    if (existing !== undefined && !(clock.now() >= (existing.retryAt ?? Infinity))) return existing
    this.#dialing.delete(key)
    const dialing = new Dialing(peer, queueLimits(this.#host))
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      dialing.fail(refusal, Infinity)
      return dialing
    }
    this.#dialing.set(key, dialing)
    void this.#run(key, dialing)
    return dialing
  }

  #refusal(): CommError | undefined {
    if (this.#closed !== undefined) return this.#closed
    if (this.#dialing.size < maxDialing) return undefined
    for (const [key, { retryAt }] of this.#dialing) {
      if (retryAt === undefined) continue
      this.#dialing.delete(key)
      return undefined
    }
    return new CommError('COMM_QUEUE_FULL', `${maxDialing} peers are being dialled`)
  }

  async #run(key: string, dialing: Dialing): Promise<void> {
    try {
      const connection = await this.#host.connect(dialing.peer)
      const found = hexOf(connection.info.pkiId)
      for (const name of [key, dialing.peer.endpoint]) {
        if (name !== found) this.#names.set(name, found)
      }
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
    const failures = this.#failed(key)
    this.#host.metrics.undeliverable.add(dialing.fail(error, this.#retryAt(failures)))
    const { endpoint } = dialing.peer
    const fields = { endpoint, code: error.code, failures }
    const line = { event: 'cannot connect', about: `${endpoint} ${error.code}`, most: 1 }
    this.#host.lines.write('warn', { ...line, fields, error })
    this.#host.onUnreachable(dialing.peer)
  }

  /** No dial to `name` before its time. */
  #postpone(name: string, refusal: CommError): void {
    const existing = this.#dialing.get(name)
    if (existing !== undefined && existing.retryAt === undefined) return
    this.#dialing.delete(name)
    if (this.#refusal() !== undefined) return
    const dialing = new Dialing({ endpoint: name }, queueLimits(this.#host))
    dialing.fail(refusal, this.#retryAt(this.#failed(name)))
    this.#dialing.set(name, dialing)
  }

  #failed(name: string): number {
    const failures = (this.#failures.get(name) ?? 0) + 1
    this.#failures.set(name, failures)
    return failures
  }

  #retryAt(failures: number): number {
    const { clock, redialDelayMs, maxRedialDelayMs } = this.#host
    return clock.now() + Math.min(redialDelayMs * 2 ** (failures - 1), maxRedialDelayMs)
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
