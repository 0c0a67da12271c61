import { FairQueue } from './fair-queue.ts'
import { isLarge } from './large.ts'
import { maxReplicas } from '../options.ts'
import { OriginShare } from './origin-share.ts'
import type { Usage } from './origin-share.ts'
import type { CheckedRequest } from './request-checker.ts'
import { Round } from './round.ts'
import type { Line } from './round.ts'
import type { SubmitResult } from '../types.ts'

/** Somebody who waits until a request was executed. */
export interface Waiter {
  /** Of the request that was submitted: perhaps another one with the id of the one that waits. */
  readonly digest: string
  resolve(result: SubmitResult): void
  reject(error: Error): void
}

/** A request that is to be ordered. */
export interface PoolEntry extends CheckedRequest {
  /** The replica that it came from; this replica's own id when it was submitted here. See {@link RequestPool.adopt}. */
  origin: number
  readonly waiters: Waiter[]
  /** Whose it is, as StateMachine.clientOf says. */
  readonly client: string
  /** When it came, by the clock. */
  readonly since: number
  /** How far the others had executed then, as f + 1 of them said. */
  readonly executedThen: bigint
  /** When it was last sent to the primary of this view, by the clock; undefined when it was not. */
  forwardedAt: number | undefined
  /** When it was sent to that primary first. */
  firstForwardedAt: number | undefined
  /** How many primaries were suspected, or left while it was late. */
  suspicions: number
  /** Other lanes that it is in, beside that of its origin; undefined while there are none. */
  alsoQueuedIn: Set<number> | undefined
}

export interface RequestPoolOptions {
  readonly batchSize: number
  /** Where a batch is cut; no more than `maxBatchBytes`. */
  readonly preferredBatchBytes: number
  /** Most requests, and bytes, of each origin. */
  readonly maxPoolRequests: number
  readonly maxPoolBytes: number
}

/**
 * The requests that wait for their execution, in the order in which they came. Bounded for each
 * origin, so that no replica can crowd out another's. Also knows which have a sequence number.
 */
export class RequestPool {
  readonly #options: RequestPoolOptions
  readonly #clientOf: ((request: Uint8Array) => string) | undefined
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
  readonly #shares = new Map<number, OriginShare>()
  /** What this replica, as primary, has still to propose. */
  readonly #ready: FairQueue<PoolEntry>
  /** The same by client, whichever replica it came from; empty without `clientOf`. */
  readonly #ofClients: FairQueue<PoolEntry, string>
  #both = this.#makeBoth()

  /** @param clientOf - see StateMachine.clientOf */
  constructor(options: RequestPoolOptions, clientOf?: (request: Uint8Array) => string) {
    this.#options = options
    this.#clientOf = clientOf
    const queueOptions = {
      isUseful: (entry: PoolEntry) =>
        this.#byId.get(entry.id) === entry && !this.isAssigned(entry.digest),
      // Its own, as many that it wants too, and as many useless ones before they are looked for.
      maxItems: 3 * options.maxPoolRequests,
    }
    this.#ready = new FairQueue(queueOptions)
    this.#ofClients = new FairQueue(queueOptions)
  }

  get size(): number {
    return this.#byId.size
  }

  /** Of all origins. */
  get bytes(): number {
    let bytes = 0
    for (const share of this.#shares.values()) bytes += share.bytes
    return bytes
  }

  usage(origin: number): Usage {
    return this.#shares.get(origin) ?? { requests: 0, bytes: 0 }
  }

  /** Whether `origin` may bring in a request of so many bytes, beside `reserved` ones on their way. */
  hasRoom(origin: number, bytes: number, reserved: Usage): boolean {
    const free = this.#freeFor(origin, reserved)
    return free.requests >= 1 && free.bytes >= bytes
  }

  /** What the client of this good request of `origin` has pending there, when that is its share already. */
  exceededShare(origin: number, request: Uint8Array, reserved: Usage): Usage | undefined {
    if (this.#clientOf === undefined) return undefined
    const has = this.#shareOf(origin).clients.of(this.#clientOf(request))
    return this.leavesRoom(origin, request, has, reserved) ? undefined : has
  }

  /**
   * Whether a client that has so much may have `request`, too: together no more than what is free for
   * `origin`. So one client may have half of the room, each of k that want all a part in k + 1, and as
   * much stays free for whoever has nothing yet.
   *
   * @see Choudhury, Hahne: "Dynamic queue length thresholds for shared-memory packet switches", ToN 1998
   */
  leavesRoom(origin: number, request: Uint8Array, has: Usage, reserved: Usage): boolean {
    const free = this.#freeFor(origin, reserved)
    return has.requests + 1 <= free.requests && has.bytes + request.length <= free.bytes
  }

  #freeFor(origin: number, reserved: Usage): Usage {
    const { requests, bytes } = this.usage(origin)
    const { maxPoolRequests, maxPoolBytes } = this.#options
    return {
      requests: maxPoolRequests - requests - reserved.requests,
      bytes: maxPoolBytes - bytes - reserved.bytes,
    }
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

  /** The request of one origin that has waited longest. */
  oldestOf(origin: number): PoolEntry | undefined {
    for (const entry of this.#shares.get(origin)?.entries ?? []) return entry
    return undefined
  }

  /** The replicas that any request ever came from. */
  origins(): Iterable<number> {
    return this.#shares.keys()
  }

  /** From now on the request counts as one of `origin`, the latest. */
  adopt(entry: PoolEntry, origin: number): void {
    this.#shareOf(entry.origin).remove(entry)
    entry.alsoQueuedIn ??= new Set()
    entry.alsoQueuedIn.add(laneOf(entry.origin, entry))
    entry.origin = origin
    this.#shareOf(origin).add(entry)
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
      client: this.#clientOf?.(request) ?? '',
      waiters,
      since,
      executedThen,
      forwardedAt: undefined,
      firstForwardedAt: undefined,
      suspicions: 0,
      alsoQueuedIn: undefined,
    }
    this.#byId.set(entry.id, entry)
    this.#byDigest.set(entry.digest, entry)
    this.#shareOf(origin).add(entry)
    return entry
  }

  remove(entry: PoolEntry): void {
    if (!this.#byId.delete(entry.id)) return
    this.#byDigest.delete(entry.digest)
    this.#shareOf(entry.origin).remove(entry)
    this.#dequeue(entry)
  }

  /** Where it was not taken from it would keep its bytes behind all that waits there. */
  #dequeue(entry: PoolEntry): void {
    for (const lane of [laneOf(entry.origin, entry), ...(entry.alsoQueuedIn ?? [])])
      this.#ready.remove(lane, entry)
    this.#ofClients.remove(clientLaneOf(entry), entry)
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
      entry.alsoQueuedIn = undefined
      this.propose(entry)
    }
  }

  stopProposing(): void {
    this.#ready.clear()
    this.#ofClients.clear()
    this.#both = this.#makeBoth()
  }

  /** Queues one request to be proposed. */
  propose(entry: PoolEntry): void {
    this.#queue(laneOf(entry.origin, entry), entry)
  }

  #queue(lane: number, entry: PoolEntry): void {
    this.#ready.push(lane, entry)
    this.#both.of('replicas')
    if (this.#clientOf === undefined) return
    this.#ofClients.push(clientLaneOf(entry), entry)
    this.#both.of('clients')
  }

  /**
   * Queues one for another replica that wants it too: it may have more to wait for in the lane of its
   * origin than in that one's. When it is there already it is late: there is a lane for such, so that
   * who passes on what is another's need not wait behind all that is its own. Not while
   * `maxPoolRequests` wait there: it has its turn anyway.
   */
  proposeAlsoFor(entry: PoolEntry, origin: number): void {
    const first = laneOf(origin, entry)
    const isThere = origin === entry.origin || entry.alsoQueuedIn?.has(first) === true
    const lane = isThere ? lateLaneOf(origin, entry) : first
    if (entry.alsoQueuedIn?.has(lane) === true) return
    if (this.#ready.sizeOf(lane) >= this.#options.maxPoolRequests) return
    entry.alsoQueuedIn ??= new Set()
    entry.alsoQueuedIn.add(lane)
    this.#queue(lane, entry)
  }

  /** Whether anything waits to be proposed. */
  get hasReady(): boolean {
    return this.#both.peek() !== undefined
  }

  /** Whether what waits fills a batch. */
  get hasFullBatch(): boolean {
    const { batchSize, preferredBatchBytes } = this.#options
    return this.#ready.size >= batchSize || this.#ready.bytes >= preferredBatchBytes
  }

  /**
   * Takes the next batch: at most `batchSize` requests and `preferredBatchBytes`, but at least one. Half of it
   * goes to the origins in turn, so that no replica keeps those of another waiting, and half to the clients in
   * turn, so that no client does by giving to every replica. What is taken counts as assigned.
   */
  takeBatch(): PoolEntry[] {
    const { batchSize, preferredBatchBytes } = this.#options
    const batch: PoolEntry[] = []
    let bytes = 0
    while (batch.length < batchSize) {
      const entry = this.#both.peek()
      if (entry === undefined) break
      if (batch.length > 0 && bytes + entry.request.length > preferredBatchBytes) break
      bytes += entry.request.length
      batch.push(entry)
      this.#assigned.set(entry.digest, undefined)
      this.#both.take()
      this.#dequeue(entry)
    }
    return batch
  }

  #makeBoth(): Round<'replicas' | 'clients', PoolEntry, Line<PoolEntry>> {
    return new Round((key) => (key === 'replicas' ? this.#ready : this.#ofClients))
  }

  #shareOf(origin: number): OriginShare {
    let share = this.#shares.get(origin)
    if (share === undefined) this.#shares.set(origin, (share = new OriginShare()))
    return share
  }
}

/** Each replica has a lane for small requests and one for large ones, which they need not wait for. */
const laneOf = (replica: number, { request }: PoolEntry): number =>
  replica + (isLarge(request) ? 2 * maxReplicas : 0)

/** Each client has two as well. */
const clientLaneOf = ({ client, request }: PoolEntry): string =>
  `${isLarge(request) ? 'large' : 'small'} ${client}`

/** The lane of what a replica passed on twice: one more of each size. */
const lateLaneOf = (replica: number, entry: PoolEntry): number =>
  laneOf(maxReplicas + replica, entry)
