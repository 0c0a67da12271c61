import type { Clock, ClockTimer } from '@heddle/interface'
import type { ResolvedOptions } from '../options.ts'
import type { PoolEntry, RequestPool } from './request-pool.ts'

export interface RequestWatchDependencies {
  readonly pool: RequestPool
  readonly clock: Clock
  /** See {@link CoreStatus.timeoutFactor}; asked again and again, as it shrinks when it goes well. */
  readonly timeoutFactor: () => number
  /** A request has become the oldest of its origin. */
  readonly onTurn: (entry: PoolEntry) => void
  /** The oldest request of its origin has waited for `forwardTimeoutMs`, scaled. */
  readonly onLate: (entry: PoolEntry) => void
  /** It has waited for `requestTimeoutMs`, scaled. Another one, or the same again, is timed next. */
  readonly onTimeout: (entry: PoolEntry) => void
  /** Whatever {@link RequestWatchDependencies.onLate} told of was executed, or its view ended. */
  readonly onRelief: () => void
  /**
   * For {@link calmMs}, in which batches were executed, nothing waited as long as half the time-out
   * times `factor`: the smallest power of two of which that is true, and less than the factor now.
   */
  readonly onCalm: (factor: number) => void
}

export type RequestWatchOptions = Pick<
  ResolvedOptions,
  'requestTimeoutMs' | 'forwardTimeoutMs' | 'maxTimeoutMs'
>

/**
 * How long it must have gone well, in milliseconds, before longer time-outs shrink. A single batch
 * that was executed in time says little: where all are as slow as the usual time-out, or nearly,
 * some are lucky, and a view change for each that is not would cost more than it gains. Less than
 * ten seconds, after which a crash costs no more than it would without the trouble before.
 */
export const calmMs = 8_000

/** The time of one request, while it is the oldest of its origin. */
interface Turn {
  readonly entry: PoolEntry
  readonly since: number
  /** Whether the first part of its time is over. */
  isLate: boolean
  /** By which the part under way was scaled. */
  factor: number
  /** When, by the clock, the part under way ends. */
  deadline: number
}

/**
 * Times the oldest request of each origin, from when it became that: under load every request gets
 * its turn, and one that the primary leaves out soon is the oldest. Each origin's by itself, so that
 * nobody's are hidden behind those of another, or of a primary that orders its own alone. (PBFT, OSDI '99 §4.4: the timer stops when that request was executed, not when
 * any was.)
 */
export class RequestWatch {
  readonly #deps: RequestWatchDependencies
  readonly #options: RequestWatchOptions
  #isWatching = false
  /** By origin. */
  readonly #turns = new Map<number, Turn>()
  /** When the timer fires: at the first deadline or before. */
  #timerDue = 0
  #timer: ClockTimer | undefined
  /** When the first execution came that counts for {@link RequestWatchDependencies.onCalm}. */
  #calmSince: number | undefined
  /** Longest turn that ended since then, in milliseconds. */
  #slowestMs = 0
  /** When the last turn ended that took half the usual time-out, or that first execution came. */
  #quickSince = 0

  constructor(deps: RequestWatchDependencies, options: RequestWatchOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** The requests of which the first part of their time is over. */
  get late(): PoolEntry[] {
    return [...this.#turns.values()].filter(({ isLate }) => isLate).map(({ entry }) => entry)
  }

  /** Begins to time whatever is the oldest of each origin. */
  start(): void {
    this.#isWatching = true
    this.look()
  }

  /** Times nothing any more. */
  stop(): void {
    this.#isWatching = false
    this.#timer?.cancel()
    this.#timer = undefined
    for (const turn of [...this.#turns.values()]) this.#end(turn)
    this.#calmSince = undefined
  }

  /** A batch was executed: times the oldest, and looks back on how long the ones before had to wait. */
  onExecuted(): void {
    this.look()
    if (!this.#isWatching) return
    const now = this.#deps.clock.now()
    if (this.#calmSince === undefined) {
      this.#beginCalm(now)
      this.#quickSince = now
    }
    // What was slow before may not hide that all was quick since, for as long.
    if (now - this.#quickSince >= calmMs) this.#slowestMs = 0
    else if (now - (this.#calmSince ?? now) < calmMs) return
    const factor = this.#factorNeeded(now)
    this.#beginCalm(now)
    if (factor < this.#deps.timeoutFactor()) this.#deps.onCalm(factor)
  }

  #beginCalm(now: number): void {
    this.#calmSince = now
    this.#slowestMs = 0
  }

  /** With how many times the usual patience nothing would have used up half of it. */
  #factorNeeded(now: number): number {
    const waitedMs = [...this.#turns.values()].map(({ since }) => now - since)
    const slowestMs = Math.max(this.#slowestMs, ...waitedMs)
    let factor = 1
    while (slowestMs * 2 >= this.#options.requestTimeoutMs * factor) factor *= 2
    return factor
  }

  /** Something was executed or dropped: times the oldest, if those are others than before. */
  look(): void {
    for (const origin of this.#deps.pool.origins()) this.lookAt(origin)
  }

  /** Something of this origin was added or dropped. */
  lookAt(origin: number): void {
    const { pool, timeoutFactor, onTurn, clock } = this.#deps
    const turn = this.#turns.get(origin)
    // Nothing gets older than the oldest, so it stays that until it goes.
    if (turn !== undefined && isWaiting(pool, turn.entry, origin)) {
      // It went well: no trouble of before may make this one wait longer.
      if (timeoutFactor() < turn.factor) this.#beginPart(turn, turn.deadline)
      return
    }
    if (turn !== undefined) this.#end(turn)
    if (!this.#isWatching) return
    const entry = pool.oldestOf(origin)
    if (entry === undefined) return
    const next: Turn = { entry, since: clock.now(), isLate: false, factor: 1, deadline: 0 }
    this.#turns.set(origin, next)
    this.#beginPart(next)
    onTurn(entry)
  }

  #end({ entry, since, isLate }: Turn): void {
    for (const [origin, turn] of this.#turns) if (turn.entry === entry) this.#turns.delete(origin)
    const now = this.#deps.clock.now()
    this.#slowestMs = Math.max(this.#slowestMs, now - since)
    if ((now - since) * 2 >= this.#options.requestTimeoutMs) this.#quickSince = now
    if (isLate && this.late.length === 0) this.#deps.onRelief()
  }

  /** Sets when the part under way ends. A timer that runs already finds out. */
  #beginPart(turn: Turn, latest = Infinity): void {
    const { clock, timeoutFactor } = this.#deps
    const { requestTimeoutMs, forwardTimeoutMs, maxTimeoutMs } = this.#options
    turn.factor = timeoutFactor()
    // The cap is one for the whole, which both parts share as they do the time-out without it.
    const whole = Math.min(requestTimeoutMs * turn.factor, maxTimeoutMs)
    const first = Math.ceil((whole * forwardTimeoutMs) / requestTimeoutMs)
    turn.deadline = Math.min(clock.now() + (turn.isLate ? whole - first : first), latest)
    this.#arm(turn.deadline)
  }

  #arm(deadline: number): void {
    const { clock } = this.#deps
    if (this.#timer !== undefined && this.#timerDue <= deadline) return
    this.#timer?.cancel()
    this.#timerDue = deadline
    this.#timer = clock.schedule(Math.max(deadline - clock.now(), 0), () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timer = undefined
    const now = this.#deps.clock.now()
    for (const turn of [...this.#turns.values()]) if (turn.deadline <= now) this.#onDeadline(turn)
    // The oldest changes with every batch; setting the timer anew each time would cost more.
    for (const { deadline } of this.#turns.values()) this.#arm(deadline)
  }

  #onDeadline(turn: Turn): void {
    const { entry, isLate } = turn
    // What another one led to may have ended this one's time.
    if (this.#turns.get(entry.origin) !== turn) return
    if (isLate) {
      this.#end(turn)
      this.#deps.onTimeout(entry)
      this.lookAt(entry.origin)
      return
    }
    turn.isLate = true
    this.#beginPart(turn)
    this.#deps.onLate(entry)
  }
}

function isWaiting(pool: RequestPool, entry: PoolEntry, origin: number): boolean {
  return entry.origin === origin && pool.get(entry.id) === entry
}
