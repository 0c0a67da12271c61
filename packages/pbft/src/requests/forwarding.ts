import type { Clock } from '@heddle/interface'
import type { ReplicaCore } from '../core/replica-core.ts'
import { isLarge } from './large.ts'
import type { ResolvedOptions } from '../options.ts'
import type { PoolEntry, RequestPool } from './request-pool.ts'
import type { Owner, RequestSender } from './request-sender.ts'
import { SendLine } from './send-line.ts'

/** Most requests sent to the primary again at one time; `preferredBatchBytes` bounds their bytes. */
export const maxForwardedAgain = 1_000

/** Most requests of which all hear at once when the primary is slow; the same bound on bytes. */
export const maxShared = 100

/**
 * Most pending requests of one other replica that are passed on to the primary at once; the same bound
 * on bytes. They count as this one's there: else one replica could fill the room that another has.
 */
export const maxRelayed = 100

/** The view as whoever sends requests needs it. */
export interface DeskView {
  readonly view: bigint
  readonly primary: number
  readonly active: boolean
}

export interface ForwardingDependencies {
  readonly pool: RequestPool
  readonly broadcaster: RequestSender
  readonly clock: Clock
  readonly core: Pick<ReplicaCore, 'timeoutFactor'>
  /** There is something to propose. */
  readonly onReady: () => void
}

export type ForwardingOptions = Pick<
  ResolvedOptions,
  'id' | 'forwardTimeoutMs' | 'maxTimeoutMs' | 'pipelineDepth' | 'preferredBatchBytes'
>

/**
 * Bytes of own requests that may be on their way to a primary: those of all batches that it may have
 * in flight. Half of it is there for the small ones, and half for the large, whatever the others have
 * taken before: so it may be one and a half times as much for a while.
 */
export function forwardedBytes(
  options: Pick<ResolvedOptions, 'pipelineDepth' | 'preferredBatchBytes'>,
): number {
  return options.pipelineDepth * options.preferredBatchBytes
}

/**
 * Gets requests to the primary. Of this replica's own, {@link forwardedBytes} are on their way: sent,
 * and not seen in a batch. The rest waits here, the small ones not behind the large, and nobody's behind
 * what another client has much of. Without that bound, large requests would be sent
 * to each new primary, all of them and by all replicas, and on a busy machine the messages of the view
 * change, and of the view, would come behind them, too late: no view would ever achieve anything.
 */
export class Forwarding {
  readonly #deps: ForwardingDependencies
  readonly #options: ForwardingOptions
  #small = new SendLine()
  #large = new SendLine()
  /** What other replicas brought and was passed on, and was not seen in a batch either. */
  readonly #relayed = new Set<PoolEntry>()
  #view: DeskView = { view: 0n, primary: 0, active: false }
  #isPrimarySlow = false

  constructor(deps: ForwardingDependencies, options: ForwardingOptions) {
    this.#deps = deps
    this.#options = options
  }

  get view(): DeskView {
    return this.#view
  }

  /** A view ended, or one began: nothing is on its way to its primary, which must hear of all that waits here. */
  enter(view: DeskView): void {
    const { pool, onReady } = this.#deps
    this.#view = view
    this.#isPrimarySlow = false
    pool.unassignAll()
    this.#small = new SendLine()
    this.#large = new SendLine()
    this.#relayed.clear()
    for (const entry of pool.entries()) entry.forwardedAt = entry.firstForwardedAt = undefined
    if (view.active) this.#takeAll()
    if (!this.#isPrimary) return
    pool.startProposing()
    onReady()
  }

  /** A new request is to get to the primary, which may be this replica. */
  bring(entry: PoolEntry): void {
    const { pool, onReady } = this.#deps
    if (this.#isPrimary) {
      if (!pool.isAssigned(entry.digest)) pool.propose(entry)
      onReady()
    } else if (this.#isOwn(entry)) {
      this.#lineOf(entry).push(entry)
      this.#sendOn()
    } else if (this.#view.active && this.mayRelay(entry.origin)) {
      this.send(entry)
    }
  }

  /** What another replica wants ordered is now its oldest: before it is late, the primary has it from here too. */
  passOn(entry: PoolEntry): void {
    // Also what came from it: it may have forgotten that in a crash.
    if (!this.#view.active || this.#isPrimary || entry.forwardedAt !== undefined) return
    this.send(entry)
  }

  /** They have a number, were executed or given up: others may follow. */
  leave(entries: Iterable<PoolEntry>): void {
    for (const entry of entries) {
      this.#lineOf(entry).leave(entry)
      this.#relayed.delete(entry)
      this.#deps.broadcaster.withdraw(entry)
    }
    this.#sendOn()
  }

  /** Whether one more that `origin` sent is passed on: that one may have no way to the primary. */
  mayRelay(origin: number): boolean {
    if (origin === this.#view.primary) return false
    const { requests, bytes } = this.#deps.pool.usage(origin)
    return requests === 1 || (requests <= maxRelayed && bytes <= this.#options.preferredBatchBytes)
  }

  /**
   * Sends one to the primary. To all while this replica waits for a new view, which they may never
   * enter, or finds the primary slow, of what is its own.
   */
  send(entry: PoolEntry): void {
    if (this.#isOwn(entry)) this.#lineOf(entry).depart(entry)
    this.#post(entry)
    this.#deps.broadcaster.flush()
  }

  /** Sends one to all if it is this replica's own. Of another's, at least the primary has to hear. */
  remind(entry: PoolEntry): void {
    this.#post(entry, this.#isOwn(entry) ? 'all' : this.#view.primary)
    this.#deps.broadcaster.flush()
  }

  /** When the primary is slow the others hear of what waits here, so that they see it for themselves. */
  setSlow(isSlow: boolean): void {
    this.#isPrimarySlow = isSlow
    if (isSlow) this.#postSome(this.#onTheWay, maxShared)
  }

  /**
   * Whether a request of at most so many bytes has been on its way to the primary since `before`. Of
   * each size, of this replica's own and of the others', the first is looked at.
   */
  isKnownLong(bytes: number, before: number): boolean {
    // While some still wait to be sent, nobody can tell what the primary has.
    if (this.#deps.broadcaster.hasForwards(this.#view.primary)) return false
    return [this.#small.sent, this.#large.sent, this.#relayed].some((sent) => {
      for (const { request, firstForwardedAt = Infinity } of sent)
        return request.length <= bytes && firstForwardedAt <= before
      return false
    })
  }

  /** From time to time: what the primary seems not to have got is sent again. */
  again(): void {
    const { clock, broadcaster, core } = this.#deps
    const { forwardTimeoutMs, maxTimeoutMs } = this.#options
    this.#takeAll()
    // While some still wait to be sent, nothing is sent twice.
    if (broadcaster.hasForwards(this.#view.primary)) return
    const before = clock.now() - Math.min(forwardTimeoutMs * core.timeoutFactor, maxTimeoutMs)
    const old = this.#onTheWay.filter(({ forwardedAt = before }) => forwardedAt <= before)
    this.#postSome(old, maxForwardedAgain)
  }

  /** All own requests without a number. */
  #takeAll(): void {
    const { pool } = this.#deps
    for (const entry of pool.entries()) {
      if (!this.#isOwn(entry) || pool.isAssigned(entry.digest)) continue
      const line = this.#lineOf(entry)
      if (!line.sent.has(entry)) line.push(entry)
    }
    this.#sendOn()
  }

  #sendOn(): void {
    if (this.#isPrimary) return
    let count = 0
    for (const line of this.#lines)
      for (let entry = line.next(); entry !== undefined; entry = line.next()) {
        if (!this.#fits(line, entry.request.length)) break
        line.depart(entry)
        this.#post(entry)
        count++
      }
    if (count > 0) this.#deps.broadcaster.flush()
  }

  /** Whether so many bytes more of a line may be on their way; one request always may. */
  #fits({ bytes }: SendLine, more: number): boolean {
    const all = this.#small.bytes + this.#large.bytes
    return bytes === 0 || bytes + more <= this.#maxBytes / 2 || all + more <= this.#maxBytes
  }

  get #lines(): readonly SendLine[] {
    return [this.#small, this.#large]
  }

  #lineOf({ request }: PoolEntry): SendLine {
    return isLarge(request) ? this.#large : this.#small
  }

  get #onTheWay(): PoolEntry[] {
    return this.#lines.flatMap(({ sent }) => [...sent])
  }

  /** Between two views less will do, as it goes to all. */
  get #maxBytes(): number {
    return this.#view.active ? forwardedBytes(this.#options) : this.#options.preferredBatchBytes
  }

  get #isPrimary(): boolean {
    return this.#view.active && this.#view.primary === this.#options.id
  }

  #isOwn(entry: PoolEntry): boolean {
    return entry.origin === this.#options.id
  }

  /** The first of them, `most` and `preferredBatchBytes` at most, but at least one. */
  #postSome(entries: Iterable<PoolEntry>, most: number): void {
    let left = most
    let bytes = 0
    for (const entry of entries) {
      bytes += entry.request.length
      if (left < most && bytes > this.#options.preferredBatchBytes) break
      if (left-- <= 0) break
      this.#post(entry)
    }
    this.#deps.broadcaster.flush()
  }

  #post(entry: PoolEntry, to?: number | 'all'): void {
    const { clock, broadcaster } = this.#deps
    entry.forwardedAt = clock.now()
    entry.firstForwardedAt ??= entry.forwardedAt
    const isOwn = this.#isOwn(entry)
    if (!isOwn) this.#relayed.add(entry)
    const isForAll = !this.#view.active || (this.#isPrimarySlow && isOwn)
    const owner: Owner = isOwn ? 'own' : 'relayed'
    broadcaster.forward(to ?? (isForAll ? 'all' : this.#view.primary), entry, owner)
  }
}
