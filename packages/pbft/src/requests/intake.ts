import { OverdrawnError, PoolFullError } from '../errors.ts'
import { FairQueue } from './fair-queue.ts'
import { Usages } from './origin-share.ts'
import type { Usage } from './origin-share.ts'
import type { CheckPurpose } from '../ports.ts'
import type { CheckedRequest, RequestChecker } from './request-checker.ts'
import type { RequestPool } from './request-pool.ts'

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
  /** See SubmitOptions.givenBy. Has turns and a share. */
  readonly givenBy?: string | undefined
}

/** A request whose check is to start. */
interface Waiting {
  readonly request: Uint8Array
  readonly client: string
  start(): void
}

/** What of one origin is on its way. */
interface Line {
  /** All of it, which has room in the pool reserved. */
  requests: number
  bytes: number
  /** By who gave it. */
  readonly clients: Usages
  checking: number
  /** Of those whose check has not started, the clients have turns. */
  readonly waiting: FairQueue<Waiting>
}

/** What is held against the replicas that bring requests. */
export interface SenderCharges {
  /** Whether what `from` sends is not worth a check now. */
  isOverdrawn(from: number): boolean
  /** A request that `from` forwarded was refused; not its fault when there was no room for it. */
  refused(from: number, error: unknown): void
  /** So many requests of `from` were checked, and were of no use. */
  checkedInVain(from: number, requests: number): void
}

/** What an {@link Intake} works with. */
export interface IntakeDependencies {
  readonly pool: RequestPool
  readonly checker: RequestChecker
  readonly budgets: Pick<SenderCharges, 'isOverdrawn'>
  /** Whose a request claims to be. */
  readonly clientOf: (request: Uint8Array) => string
}

/**
 * Has requests checked before they enter the pool: those of each origin in line, with room reserved.
 * Whose they are is known after the check. Until then whoever gave them has turns and a share; of those
 * that another replica brings, which has checked them, whoever signed has turns, as it says.
 */
export class Intake {
  readonly #deps: IntakeDependencies
  readonly #lines = new Map<number, Line>()

  constructor(deps: IntakeDependencies) {
    this.#deps = deps
  }

  /**
   * @param origin - the replica that it came from
   * @throws {PoolFullError} PBFT_POOL_FULL; PBFT_OVERDRAWN; what the state machine rejects with
   */
  async check(origin: number, unchecked: UncheckedRequest): Promise<CheckedRequest> {
    const { request, digest, purpose, givenBy = '' } = unchecked
    this.requireRoom(origin, request)
    const { checker, budgets, clientOf } = this.#deps
    const line = this.#lineOf(origin)
    if (givenBy !== '') this.#requireTurn(origin, request, line.clients.of(givenBy))
    line.requests++
    line.bytes += request.length
    line.clients.add(givenBy, request)
    if (line.checking < maxChecking) line.checking++
    else
      await new Promise<void>((start) => {
        const client = givenBy === '' ? clientOf(request) : givenBy
        line.waiting.push(0, { request, client, start })
      })
    try {
      if (budgets.isOverdrawn(origin)) throw new OverdrawnError(origin)
      return await checker.check(request, digest, purpose)
    } finally {
      line.requests--
      line.bytes -= request.length
      line.clients.remove(givenBy, request)
      // The next one takes the place over.
      const next = line.waiting.peek()
      if (next === undefined) line.checking--
      else {
        line.waiting.take()
        next.start()
      }
    }
  }

  /** Whether `origin` may bring in this request too. */
  hasRoom(origin: number, request: Uint8Array): boolean {
    return this.#deps.pool.hasRoom(origin, request.length, this.#lineOf(origin))
  }

  /** @throws {PoolFullError} PBFT_POOL_FULL, when `origin` may not bring in this request too */
  requireRoom(origin: number, request: Uint8Array): void {
    if (this.hasRoom(origin, request)) return
    const line = this.#lineOf(origin)
    const { requests, bytes } = this.#deps.pool.usage(origin)
    throw new PoolFullError(requests + line.requests, bytes + line.bytes)
  }

  /** @throws {PoolFullError} PBFT_POOL_FULL, when the client of this good request has its share of the room */
  requireShare(origin: number, request: Uint8Array): void {
    const has = this.#deps.pool.exceededShare(origin, request, this.#lineOf(origin))
    if (has !== undefined) throw new PoolFullError(has.requests, has.bytes, 'this client')
  }

  #requireTurn(origin: number, request: Uint8Array, has: Usage): void {
    if (this.#deps.pool.leavesRoom(origin, request, has, this.#lineOf(origin))) return
    throw new PoolFullError(has.requests, has.bytes, 'this client')
  }

  #lineOf(origin: number): Line {
    let line = this.#lines.get(origin)
    if (line === undefined) {
      const clients = new Usages()
      const waiting = new FairQueue<Waiting>({ isUseful: () => true, maxItems: Infinity })
      this.#lines.set(origin, (line = { requests: 0, bytes: 0, checking: 0, clients, waiting }))
    }
    return line
  }
}
