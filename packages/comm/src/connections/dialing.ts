import { CommError } from '../errors.ts'
import type { Connection } from './connection.ts'
import { SendQueue } from '../queues/send-queue.ts'
import type { QueueLimits } from '../queues/send-queue.ts'
import type { RemotePeer } from '../remote-peer.ts'

/** A dial under way, or one that failed a moment ago, with the messages that wait for it. */
export class Dialing {
  readonly peer: RemotePeer
  /** Rejects with why the dial failed. */
  readonly connected: Promise<Connection>
  readonly #queue: SendQueue
  #resolve: (connection: Connection) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  #retryAt: number | undefined

  constructor(peer: RemotePeer, limits: QueueLimits) {
    this.peer = peer
    this.#queue = new SendQueue({ ...limits, open: false }, () => undefined)
    this.connected = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever waits for it hears of a failure; that nobody does is not an error.
    this.connected.catch(() => undefined)
  }

  /** When the next dial may be made, on the clock's `now`; undefined while this one is under way. */
  get retryAt(): number | undefined {
    return this.#retryAt
  }

  /** What waits for the dial. After it failed nothing fits in. */
  get queue(): SendQueue {
    return this.#queue
  }

  /** Gives what waits to the connection. Harmless twice. @returns as {@link SendQueue.adopt} */
  succeed(connection: Connection): number {
    const error = new CommError('COMM_CLOSED', 'the dial is over')
    const lost = connection.outgoing.adopt(this.#queue.surrender(error))
    this.#resolve(connection)
    return lost
  }

  /** Refuses what waits, and what comes until `retryAt`. @returns how many nobody waited for */
  fail(error: CommError, retryAt: number): number {
    this.#retryAt = retryAt
    this.#reject(error)
    return this.#queue.close(error)
  }
}
