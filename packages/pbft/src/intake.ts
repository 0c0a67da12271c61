import { RingQueue } from '@heddle/events'
import { OverdrawnError, PoolFullError } from './errors.ts'
import type { CheckPurpose } from './ports.ts'
import type { CheckedRequest, RequestChecker } from './request-checker.ts'
import type { RequestPool } from './request-pool.ts'
import type { SenderBudgets } from './sender-budgets.ts'

/**
 * Most requests of one origin that are checked at the same time: enough for all cores, and few
 * enough that those of one origin keep nothing of another's waiting for long.
 */
export const maxChecking = 64

/** A request on its way into the pool. */
export interface UncheckedRequest {
  readonly request: Uint8Array
  readonly digest: string
  readonly purpose: CheckPurpose
}

/** What of one origin is on its way. */
interface Line {
  /** All of it, which has room in the pool reserved. */
  requests: number
  bytes: number
  checking: number
  /** Start the checks of the others. */
  readonly waiting: RingQueue<() => void>
}

/** What an {@link Intake} works with. */
export interface IntakeDependencies {
  readonly pool: RequestPool
  readonly checker: RequestChecker
  readonly budgets: Pick<SenderBudgets, 'isOverdrawn'>
}

/** Has requests checked before they enter the pool: those of each origin in line, with room reserved. */
export class Intake {
  readonly #deps: IntakeDependencies
  readonly #maxPoolRequests: number
  readonly #lines = new Map<number, Line>()

  constructor(deps: IntakeDependencies, maxPoolRequests: number) {
    this.#deps = deps
    this.#maxPoolRequests = maxPoolRequests
  }

  /**
   * @param origin - the replica that it came from
   * @throws {PoolFullError} PBFT_POOL_FULL; PBFT_OVERDRAWN; what the state machine rejects with
   */
  async check(
    origin: number,
    { request, digest, purpose }: UncheckedRequest,
  ): Promise<CheckedRequest> {
    this.requireRoom(origin, request)
    const { checker, budgets } = this.#deps
    const line = this.#lineOf(origin)
    line.requests++
    line.bytes += request.length
    if (line.checking < maxChecking) line.checking++
    else await new Promise<void>((start) => line.waiting.push(start))
    try {
      if (budgets.isOverdrawn(origin)) throw new OverdrawnError(origin)
      return await checker.check(request, digest, purpose)
    } finally {
      line.requests--
      line.bytes -= request.length
      // The next one takes the place over.
      const start = line.waiting.shift()
      if (start === undefined) line.checking--
      else start()
    }
  }

  /** @throws {PoolFullError} PBFT_POOL_FULL, when `origin` may not bring in this request too */
  requireRoom(origin: number, request: Uint8Array): void {
    const line = this.#lineOf(origin)
    const { pool } = this.#deps
    if (pool.hasRoom(origin, request.length, line)) return
    const { requests, bytes } = pool.usage(origin)
    throw new PoolFullError(requests + line.requests, bytes + line.bytes)
  }

  /** @throws {PoolFullError} PBFT_POOL_FULL, when the client of this good request has its share of the room */
  requireShare(origin: number, request: Uint8Array): void {
    const has = this.#deps.pool.exceededShare(origin, request, this.#lineOf(origin))
    if (has !== undefined) throw new PoolFullError(has.requests, has.bytes, 'this client')
  }

  #lineOf(origin: number): Line {
    let line = this.#lines.get(origin)
    if (line === undefined) {
      const waiting = new RingQueue<() => void>(this.#maxPoolRequests)
      this.#lines.set(origin, (line = { requests: 0, bytes: 0, checking: 0, waiting }))
    }
    return line
  }
}
