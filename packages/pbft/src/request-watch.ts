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
}

export type RequestWatchOptions = Pick<
  ResolvedOptions,
  'requestTimeoutMs' | 'forwardTimeoutMs' | 'maxTimeoutMs'
>

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
    if (this.#entry !== undefined) this.#beginPart()
  }

  #leave(): void {
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
