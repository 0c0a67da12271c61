import type { Clock, ClockTimer } from '@heddle/interface'
import type { ResolvedOptions } from './options.ts'
import type { PoolEntry, RequestPool } from './request-pool.ts'

export interface RequestWatchDependencies {
  readonly pool: RequestPool
  readonly clock: Clock
  /** See {@link CoreStatus.timeoutFactor}; asked again and again, as it shrinks with progress. */
  readonly timeoutFactor: () => number
  /** The oldest request has waited for `forwardTimeoutMs`, scaled. */
  readonly onLate: (entry: PoolEntry) => void
  /** It has waited for `requestTimeoutMs`, scaled. Another one, or the same again, is timed next. */
  readonly onTimeout: (entry: PoolEntry) => void
  /** What {@link RequestWatchDependencies.onLate} told of was executed, or its view ended. */
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

/**
 * Times the oldest request, from when it became the oldest: under load every request gets its turn,
 * and one that the primary leaves out soon is the oldest. (PBFT, OSDI '99 §4.4: the timer stops when
 * that request was executed, not when any was.)
 */
export class RequestWatch {
  readonly #deps: RequestWatchDependencies
  readonly #options: RequestWatchOptions
  #isWatching = false
  #entry: PoolEntry | undefined
  /** Whether the first part of its time is over. */
  #isLate = false
  /** By which the part under way was scaled. */
  #factor = 1
  /** When, by the clock, the part under way ends. */
  #deadline = 0
  /** When the timer fires: at the deadline or before. */
  #timerDue = 0
  #timer: ClockTimer | undefined
  /** When what is timed became the oldest. */
  #since = 0
  /** When the first execution came that counts for {@link RequestWatchDependencies.onCalm}. */
  #calmSince: number | undefined
  /** Longest that one was the oldest since then, in milliseconds. */
  #slowestMs = 0

  constructor(deps: RequestWatchDependencies, options: RequestWatchOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** The request that is timed; undefined when none is. */
  get entry(): PoolEntry | undefined {
    return this.#entry
  }

  /** Whether the first part of its time is over. */
  get isLate(): boolean {
    return this.#isLate
  }

  /** Begins to time whatever is the oldest. */
  start(): void {
    this.#isWatching = true
    this.look()
  }

  /** Times nothing any more. */
  stop(): void {
    this.#isWatching = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#leave()
    this.#calmSince = undefined
  }

  /** A batch was executed: times the oldest, and looks back on how long the ones before had to wait. */
  onExecuted(): void {
    this.look()
    if (!this.#isWatching) return
    const now = this.#deps.clock.now()
    if (this.#calmSince === undefined) this.#beginCalm(now)
    else if (now - this.#calmSince >= calmMs) {
      const factor = this.#factorNeeded(now)
      this.#beginCalm(now)
      if (factor < this.#deps.timeoutFactor()) this.#deps.onCalm(factor)
    }
  }

  #beginCalm(now: number): void {
    this.#calmSince = now
    this.#slowestMs = 0
  }

  /** With how many times the usual patience nothing would have used up half of it. */
  #factorNeeded(now: number): number {
    const waitedMs = this.#entry === undefined ? 0 : now - this.#since
    const slowestMs = Math.max(this.#slowestMs, waitedMs)
    let factor = 1
    while (slowestMs * 2 >= this.#options.requestTimeoutMs * factor) factor *= 2
    return factor
  }

  /** Something was executed, dropped or added: times the oldest, if that is another one than before. */
  look(): void {
    const { pool, timeoutFactor } = this.#deps
    // Nothing gets older than the oldest, so it stays that until it goes.
    if (this.#entry !== undefined && pool.get(this.#entry.id) === this.#entry) {
      // There was progress: no trouble of before may make this one wait longer.
      if (timeoutFactor() < this.#factor) this.#beginPart(this.#deadline)
      return
    }
    this.#leave()
    if (!this.#isWatching) return
    this.#entry = pool.oldest()
    if (this.#entry === undefined) return
    this.#since = this.#deps.clock.now()
    this.#beginPart()
  }

  #leave(): void {
    if (this.#entry !== undefined)
      this.#slowestMs = Math.max(this.#slowestMs, this.#deps.clock.now() - this.#since)
    this.#entry = undefined
    if (!this.#isLate) return
    this.#isLate = false
    this.#deps.onRelief()
  }

  /** Sets when the part under way ends. A timer that runs already finds out. */
  #beginPart(latest = Infinity): void {
    const { clock, timeoutFactor } = this.#deps
    const { requestTimeoutMs, forwardTimeoutMs, maxTimeoutMs } = this.#options
    this.#factor = timeoutFactor()
    // The cap is one for the whole, which both parts share as they do the time-out without it.
    const whole = Math.min(requestTimeoutMs * this.#factor, maxTimeoutMs)
    const first = Math.ceil((whole * forwardTimeoutMs) / requestTimeoutMs)
    const now = clock.now()
    this.#deadline = Math.min(now + (this.#isLate ? whole - first : first), latest)
    if (this.#timer === undefined || this.#timerDue > this.#deadline)
      this.#arm(Math.max(this.#deadline - now, 0))
  }

  #arm(delayMs: number): void {
    const { clock } = this.#deps
    this.#timer?.cancel()
    this.#timerDue = clock.now() + delayMs
    this.#timer = clock.schedule(delayMs, () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timer = undefined
    const entry = this.#entry
    if (entry === undefined) return
    const leftMs = this.#deadline - this.#deps.clock.now()
    // The oldest changes with every batch; setting the timer anew each time would cost more.
    if (leftMs > 0) this.#arm(leftMs)
    else if (this.#isLate) {
      this.#leave()
      this.#deps.onTimeout(entry)
      this.look()
    } else {
      this.#isLate = true
      this.#beginPart()
      this.#deps.onLate(entry)
    }
  }
}
