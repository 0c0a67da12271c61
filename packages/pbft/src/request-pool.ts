import { FairQueue } from './fair-queue.ts'
import type { CheckedRequest } from './request-checker.ts'
import type { SubmitResult } from './types.ts'

/** Somebody who waits until a request was executed. */
export interface Waiter {
  /** Of the request that was submitted: perhaps another one with the id of the one that waits. */
  readonly digest: string
  resolve(result: SubmitResult): void
  reject(error: Error): void
}

/** A request that is to be ordered. */
export interface PoolEntry extends CheckedRequest {
  /** The replica that it came from; this replica's own id when it was submitted here. */
  readonly origin: number
  readonly waiters: Waiter[]
  /** When it came, by the clock. */
  readonly since: number
  /** How far the others had executed then, as f + 1 of them said. */
  readonly executedThen: bigint
  /** When it was last sent to a primary, by the clock; for requests submitted here. */
  forwardedAt: number
  /** How many primaries were suspected, or left while it was late. */
  suspicions: number
  /** Whose queues it is in, beside that of its origin; undefined while there are none. */
  alsoQueuedFor: Set<number> | undefined
}

export interface RequestPoolOptions {
  readonly batchSize: number
  readonly maxBatchBytes: number
  /** Most requests, and bytes, of each origin. */
  readonly maxPoolRequests: number
  readonly maxPoolBytes: number
}

interface Usage {
  requests: number
  bytes: number
}

/**
 * The requests that wait for their execution, in the order in which they came. Bounded for each
 * origin, so that no replica can crowd out another's. Also knows which have a sequence number.
 */
export class RequestPool {
  readonly #options: RequestPoolOptions
  readonly #byId = new Map<string, PoolEntry>()
  readonly #byDigest = new Map<string, PoolEntry>()
  /**
   * Digests of requests that have a sequence number in the current view, here or not; with it, or
   * without while it is being given out.
   */
  readonly #assigned = new Map<string, bigint | undefined>()
  /** The same by sequence number: those above `#released` only, so no more than a window holds. */
  readonly #assignments = new Map<bigint, readonly string[]>()
  /** The last sequence number executed, here or by a quorum. */
  #released = 0n
  readonly #usage = new Map<number, Usage>()
  /** What this replica, as primary, has still to propose. */
  readonly #ready: FairQueue<PoolEntry>

  constructor(options: RequestPoolOptions) {
    this.#options = options
    this.#ready = new FairQueue({
      isUseful: (entry) => this.#byId.get(entry.id) === entry && !this.isAssigned(entry.digest),
      // Its own, as many that it wants too, and as many useless ones before they are looked for.
      maxItems: 3 * options.maxPoolRequests,
    })
  }

  get size(): number {
    return this.#byId.size
  }

  usage(origin: number): Readonly<Usage> {
    return this.#usage.get(origin) ?? { requests: 0, bytes: 0 }
  }

  /** Whether `origin` may bring in a request of so many bytes, beside `reserved` ones on their way. */
  hasRoom(origin: number, bytes: number, reserved: Readonly<Usage>): boolean {
    const { requests, bytes: used } = this.usage(origin)
    const { maxPoolRequests, maxPoolBytes } = this.#options
    return (
      requests + reserved.requests < maxPoolRequests &&
      used + reserved.bytes + bytes <= maxPoolBytes
    )
  }

  get(id: string): PoolEntry | undefined {
    return this.#byId.get(id)
  }

  getByDigest(digest: string): PoolEntry | undefined {
    return this.#byDigest.get(digest)
  }

  isAssigned(digest: string): boolean {
    return this.#assigned.has(digest)
  }

  /** The request that has waited longest. */
  oldest(): PoolEntry | undefined {
    for (const entry of this.#byId.values()) return entry
    return undefined
  }

  entries(): Iterable<PoolEntry> {
    return this.#byId.values()
  }

  /** Adds a request whose id is not there yet. */
  add(checked: CheckedRequest, origin: number, since = 0, executedThen = 0n): PoolEntry {
    const { request, digest, id } = checked
    const waiters: Waiter[] = []
    const entry: PoolEntry = {
      request,
      digest,
      id,
      origin,
      waiters,
      since,
      executedThen,
      forwardedAt: 0,
      suspicions: 0,
      alsoQueuedFor: undefined,
    }
    this.#byId.set(entry.id, entry)
    this.#byDigest.set(entry.digest, entry)
    this.#use(entry, 1)
    return entry
  }

  remove(entry: PoolEntry): void {
    if (!this.#byId.delete(entry.id)) return
    this.#byDigest.delete(entry.digest)
    this.#use(entry, -1)
  }

  /** These have `sequence` in the current view, and nothing else has; a number that is over is nobody's. */
  assign(sequence: bigint, digests: readonly string[]): void {
    // A new view repeats numbers that were executed: no execution would come to take them back.
    if (sequence <= this.#released) return
    this.#unassign(sequence)
    this.#assignments.set(sequence, digests)
    for (const digest of digests) this.#assigned.set(digest, sequence)
  }

  /**
   * Everything up to `sequence` was executed, here or by a quorum: whatever had these numbers here
   * has none any more.
   */
  release(sequence: bigint): void {
    if (sequence > this.#released) this.#released = sequence
    for (const at of this.#assignments.keys()) if (at <= sequence) this.#unassign(at)
  }

  #unassign(sequence: bigint): void {
    const digests = this.#assignments.get(sequence)
    if (digests === undefined) return
    this.#assignments.delete(sequence)
    for (const digest of digests)
      // What has another number too keeps that one.
      if (this.#assigned.get(digest) === sequence) this.#assigned.delete(digest)
  }

  /** A view ended: no request has a sequence number until the next one says so. */
  unassignAll(): void {
    this.#assigned.clear()
    this.#assignments.clear()
    this.stopProposing()
  }

  /** This replica became primary: everything unassigned is to be proposed, in order of arrival. */
  startProposing(): void {
    this.stopProposing()
    for (const entry of this.#byId.values()) {
      entry.alsoQueuedFor = undefined
      this.propose(entry)
    }
  }

  stopProposing(): void {
    this.#ready.clear()
  }

  /** Queues one request to be proposed. */
  propose(entry: PoolEntry): void {
    this.#ready.push(entry.origin, entry)
  }

  /**
   * Queues one for another replica that wants it too: it may have more to wait for in the queue of
   * its origin than in that one's. Not while `maxPoolRequests` wait there: it has its turn anyway.
   */
  proposeAlsoFor(entry: PoolEntry, origin: number): void {
    if (origin === entry.origin || entry.alsoQueuedFor?.has(origin) === true) return
    if (this.#ready.sizeOf(origin) >= this.#options.maxPoolRequests) return
    entry.alsoQueuedFor ??= new Set()
    entry.alsoQueuedFor.add(origin)
    this.#ready.push(origin, entry)
  }

  /** Whether anything waits to be proposed. */
  get hasReady(): boolean {
    return this.#ready.peek() !== undefined
  }

  /** Whether what waits fills a batch. */
  get hasFullBatch(): boolean {
    const { batchSize, maxBatchBytes } = this.#options
    return this.#ready.size >= batchSize || this.#ready.bytes >= maxBatchBytes
  }

  /**
   * Takes the next batch, of the origins in turn: at most `batchSize` requests and `maxBatchBytes`,
   * but at least one. What is taken counts as assigned.
   */
  takeBatch(): PoolEntry[] {
    const { batchSize, maxBatchBytes } = this.#options
    const batch: PoolEntry[] = []
    let bytes = 0
    while (batch.length < batchSize) {
      const entry = this.#ready.peek()
      if (entry === undefined) break
      if (batch.length > 0 && bytes + entry.request.length > maxBatchBytes) break
      bytes += entry.request.length
      batch.push(entry)
      this.#assigned.set(entry.digest, undefined)
      this.#ready.take()
    }
    return batch
  }

  #use(entry: PoolEntry, sign: 1 | -1): void {
    let usage = this.#usage.get(entry.origin)
    if (usage === undefined) this.#usage.set(entry.origin, (usage = { requests: 0, bytes: 0 }))
    usage.requests += sign
    usage.bytes += sign * entry.request.length
  }
}
