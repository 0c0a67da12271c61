import type { ResolvedOptions } from '../options.ts'
import type { ReplicaEvent } from '../core/protocol.ts'
import type { DeskView } from './forwarding.ts'
import { knownPart, PrimaryPace } from './primary-pace.ts'
import type { Phase } from './primary-pace.ts'
import type { PoolEntry, RequestPool } from './request-pool.ts'
import { RequestWatch } from './request-watch.ts'
import type { Turn } from './request-watch.ts'

/** After so many status intervals a replica has heard what the others did before: two, as one may be lost. */
const statusIntervalsHeard = 2

/** What decisions rest on beside the requests; read each time that it is needed. */
export interface Facts {
  /** By the clock, in milliseconds. */
  readonly now: number
  /** Whether the replica takes nothing in now. */
  readonly isHeldUp: boolean
  /** See ReplicaCore.isBehind. */
  readonly isBehind: boolean
  /** See ReplicaCore.executedByOthers. */
  readonly executedByOthers: bigint
  /** See CoreStatus.timeoutFactor. */
  readonly timeoutFactor: number
  /** See ReplicaCore.awaitsPrimary. */
  readonly awaitsPrimary: boolean
}

export type PatienceOptions = Pick<
  ResolvedOptions,
  'id' | 'n' | 'requestTimeoutMs' | 'forwardTimeoutMs' | 'maxTimeoutMs' | 'statusIntervalMs'
>

/** What to do about requests that wait, in this order. */
export type Decision =
  /** It is the oldest of its origin now: the primary is to have it from here, too. */
  | { readonly type: 'passOn'; readonly entry: PoolEntry }
  /** Half of its time is over: others hear of it, it is checked anew; then {@link Patience.checkedAnew}. */
  | { readonly type: 'remind'; readonly entry: PoolEntry }
  /** As many primaries as there are left it waiting. */
  | { readonly type: 'giveUp'; readonly entry: PoolEntry }
  /** Whether the primary has used up half of the time that it may owe. */
  | { readonly type: 'slow'; readonly isSlow: boolean }
  /** The core is to know. */
  | Extract<ReplicaEvent, { readonly type: 'late' | 'calm' | 'suspect' }>

const nothing: readonly Decision[] = []

/**
 * How long to wait for the primary, and when to leave it: what is decided of each request that waits,
 * and of the primary's pace. Does nothing itself, and has no clock and no timer: the same requests and
 * the same facts at the same calls lead to the same decisions. Each call returns what it led to.
 */
export class Patience {
  readonly #pool: RequestPool
  readonly #facts: Facts
  readonly #options: PatienceOptions
  readonly #watch: RequestWatch
  readonly #pace: PrimaryPace
  #view: DeskView = { view: 0n, primary: 0, active: false }
  #decisions: Decision[] = []

  constructor(pool: RequestPool, facts: Facts, options: PatienceOptions) {
    this.#pool = pool
    this.#facts = facts
    this.#options = options
    const watchObserver = {
      onTurn: (entry: PoolEntry) => this.#decide({ type: 'passOn', entry }),
      onLate: (entry: PoolEntry) => this.#decide({ type: 'remind', entry }),
      onTimeout: (entry: PoolEntry) => this.#onTimeout(entry),
      onRelief: () => this.#relieve(),
      onCalm: (factor: number) => this.#decide({ type: 'calm', view: this.#view.view, factor }),
    }
    this.#watch = new RequestWatch(pool, facts, watchObserver, options)
    this.#pace = new PrimaryPace(facts, () => this.timeoutMs, {
      onSlow: (isSlow) => this.#onSlow(isSlow),
      onTooSlow: () => this.#onTooSlow(),
    })
  }

  /** The request time-out, scaled, in milliseconds. */
  get timeoutMs(): number {
    const { requestTimeoutMs, maxTimeoutMs } = this.#options
    return Math.min(requestTimeoutMs * this.#facts.timeoutFactor, maxTimeoutMs)
  }

  /** When the time comes for {@link Patience.due} and {@link Patience.judge}, or before; Infinity: never. */
  get wakeAt(): number {
    return Math.min(this.#watch.wakeAt, this.#pace.wakeAt)
  }

  /** The view ended, for the next one; `isActive` when that has begun already. */
  leave(isActive: boolean): readonly Decision[] {
    const { late } = this.#watch
    this.#watch.stop()
    this.#pace.reset()
    // Left before their time was over, for them among other reasons.
    if (!isActive) for (const entry of late) if (this.#mayBlame(entry)) this.#blame(entry)
    return this.#take()
  }

  /** In this view now; what waits is timed once it is active. */
  enter(view: DeskView): readonly Decision[] {
    this.#view = view
    if (!view.active) return nothing
    this.#watch.start()
    return this.observe()
  }

  /** Times nothing any more. */
  stop(): void {
    this.#watch.stop()
    this.#pace.reset()
    this.#decisions = []
  }

  /** Something was executed or dropped. */
  look(): readonly Decision[] {
    this.#watch.look()
    return this.#take()
  }

  /** Something of this origin was added or dropped. */
  lookAt(origin: number): readonly Decision[] {
    this.#watch.lookAt(origin)
    return this.#take()
  }

  /** A batch was executed, and the core knows. */
  executed(): readonly Decision[] {
    this.#watch.onExecuted()
    return this.#take()
  }

  /** Something happened: perhaps it is now for another one to make the next step. */
  observe(): readonly Decision[] {
    this.#pace.observe(this.#phase())
    return this.#take()
  }

  /** The primary left out what it has known for {@link knownPart} of the time-out, though it had room. */
  leftOut(): void {
    this.#pace.hasLeftOut()
  }

  /** Since when the primary has known what it has known for long. */
  get knownSince(): number {
    return this.#facts.now - this.timeoutMs * knownPart
  }

  /** The requests of which a part of the time is over: each for {@link Patience.expire}. */
  due(): Turn[] {
    return this.#watch.due()
  }

  /** Once these were acted upon, the origin of the turn is to be looked at. */
  expire(turn: Turn): readonly Decision[] {
    this.#watch.expire(turn)
    return this.#take()
  }

  /** The time that the primary may take is over, perhaps. */
  judge(): readonly Decision[] {
    this.#pace.expire()
    return this.#take()
  }

  /**
   * A request of which `remind` told in `view` is still good. That took time: in the next view, or timed
   * anew, the request is not late, and nobody would take back what was said of it.
   */
  checkedAnew(entry: PoolEntry, view: bigint): readonly Decision[] {
    this.#watch.look()
    const isLate = this.#watch.late.includes(entry) && this.#view.view === view
    if (isLate && this.#mayBlame(entry)) this.#decide({ type: 'late', view, isLate: true })
    return this.#take()
  }

  #decide(decision: Decision): void {
    this.#decisions.push(decision)
  }

  #take(): readonly Decision[] {
    if (this.#decisions.length === 0) return nothing
    const decisions = this.#decisions
    this.#decisions = []
    return decisions
  }

  #phase(): Phase {
    const { active, primary } = this.#view
    const facts = this.#facts
    if (!active || primary === this.#options.id || facts.isHeldUp) return 'idle'
    if (this.#pool.size === 0 || facts.isBehind) return 'idle'
    return facts.awaitsPrimary ? 'primary' : 'group'
  }

  #onTimeout(entry: PoolEntry): void {
    if (!this.#mayBlame(entry)) return
    this.#blame(entry)
    if (entry.suspicions < this.#options.n) this.#suspect()
  }

  #onSlow(isSlow: boolean): void {
    this.#decide({ type: 'slow', isSlow })
    if (isSlow) this.#decide({ type: 'late', view: this.#view.view, isLate: true })
    else this.#relieve()
  }

  #onTooSlow(): void {
    this.#decide({ type: 'slow', isSlow: false })
    this.#suspect()
  }

  #suspect(): void {
    this.#decide({ type: 'suspect', view: this.#view.view })
  }

  /** Nothing speaks against the primary any more. */
  #relieve(): void {
    if (this.#pace.isSlow || this.#watch.late.length > 0) return
    this.#decide({ type: 'late', view: this.#view.view, isLate: false })
  }

  /** One more primary that left it waiting: after as many as there are it is given up. */
  #blame(entry: PoolEntry): void {
    entry.suspicions++
    if (entry.suspicions >= this.#options.n) this.#decide({ type: 'giveUp', entry })
  }

  /**
   * The primary itself cannot tell why others do not answer; they will, if it is to blame. Nor can who
   * hears nothing, or who is behind, for what it does not know of may have been executed.
   */
  #mayBlame(entry: PoolEntry): boolean {
    const { isHeldUp, isBehind } = this.#facts
    if (this.#view.primary === this.#options.id || isHeldUp) return false
    return !isBehind || this.#isUnexecuted(entry)
  }

  /**
   * Whether the others have not executed it either, as far as a replica that is behind can tell: they
   * executed nothing since it came, which their status messages would say by now.
   */
  #isUnexecuted({ since, executedThen }: PoolEntry): boolean {
    const { now, executedByOthers } = this.#facts
    const heardMs = statusIntervalsHeard * this.#options.statusIntervalMs
    return now - since >= heardMs && executedByOthers <= executedThen
  }
}
