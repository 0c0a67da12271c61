import type { ResolvedOptions } from '../options.ts'
import type { PoolEntry, RequestPool } from './request-pool.ts'

/** What the watch rests on beside the requests; read each time that it is needed. */
export interface WatchFacts {
  /** By the clock, in milliseconds. */
  readonly now: number
  /** See {@link CoreStatus.timeoutFactor}; it shrinks when it goes well. */
  readonly timeoutFactor: number
}

/** What the watch finds; nothing that it is told changes the requests before the watch returns. */
export interface WatchObserver {
  /** A request has become the oldest of its origin. */
  readonly onTurn: (entry: PoolEntry) => void
  /** The oldest request of its origin has waited for `forwardTimeoutMs`, scaled. */
  readonly onLate: (entry: PoolEntry) => void
  /** It has waited for `requestTimeoutMs`, scaled. Another one, or the same again, is timed next. */
  readonly onTimeout: (entry: PoolEntry) => void
  /** Whatever {@link WatchObserver.onLate} told of was executed, or its view ended. */
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
export interface Turn {
  readonly entry: PoolEntry
  readonly origin: number
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
 * nobody's are hidden behind those of another, or of a primary that orders its own alone. (PBFT, OSDI '99
 * §4.4: the timer stops when that request was executed, not when any was.)
 *
 * Has no clock of its own and no timer: the same facts lead to the same findings.
 */
export class RequestWatch {
  readonly #pool: RequestPool
  readonly #facts: WatchFacts
  readonly #observer: WatchObserver
  readonly #options: RequestWatchOptions
  #isWatching = false
  /** By origin. */
  readonly #turns = new Map<number, Turn>()
  #wakeAt = Infinity
  /** When the first execution came that counts for {@link WatchObserver.onCalm}. */
  #calmSince: number | undefined
  /** Longest turn that ended since then, in milliseconds. */
  #slowestMs = 0
  /** When the last turn ended that took half the usual time-out, or that first execution came. */
  #quickSince = 0

  constructor(
    pool: RequestPool,
    facts: WatchFacts,
    observer: WatchObserver,
    options: RequestWatchOptions,
  ) {
    this.#pool = pool
    this.#facts = facts
    this.#observer = observer
    this.#options = options
  }

  /** The requests of which the first part of their time is over. */
  get late(): PoolEntry[] {
    return [...this.#turns.values()].filter(({ isLate }) => isLate).map(({ entry }) => entry)
  }

  /** When {@link RequestWatch.due} is to be asked: at the first deadline, or before. */
  get wakeAt(): number {
    return this.#wakeAt
  }

  /** Begins to time whatever is the oldest of each origin. */
  start(): void {
    this.#isWatching = true
    this.look()
  }

  /** Times nothing any more. */
  stop(): void {
    this.#isWatching = false
    this.#wakeAt = Infinity
    for (const turn of [...this.#turns.values()]) this.#end(turn)
    this.#calmSince = undefined
  }

  /** A batch was executed: times the oldest, and looks back on how long the ones before had to wait. */
  onExecuted(): void {
    this.look()
    if (!this.#isWatching) return
    const { now } = this.#facts
    if (this.#calmSince === undefined) {
      this.#beginCalm(now)
      this.#quickSince = now
    }
    // What was slow before may not hide that all was quick since, for as long.
    if (now - this.#quickSince >= calmMs) this.#slowestMs = 0
    else if (now - (this.#calmSince ?? now) < calmMs) return
    const factor = this.#factorNeeded(now)
    this.#beginCalm(now)
    if (factor < this.#facts.timeoutFactor) this.#observer.onCalm(factor)
  }

  /** Something was executed or dropped: times the oldest, if those are others than before. */
  look(): void {
    for (const origin of this.#pool.origins()) this.lookAt(origin)
  }

  /** Something of this origin was added or dropped. */
  lookAt(origin: number): void {
    const turn = this.#turns.get(origin)
    // Nothing gets older than the oldest, so it stays that until it goes.
    if (turn !== undefined && isWaiting(this.#pool, turn)) {
      // It went well: no trouble of before may make this one wait longer.
      if (this.#facts.timeoutFactor < turn.factor) this.#beginPart(turn, turn.deadline)
      return
    }
    if (turn !== undefined) this.#end(turn)
    if (!this.#isWatching) return
    const entry = this.#pool.oldestOf(origin)
    if (entry === undefined) return
    const since = this.#facts.now
    const next: Turn = { entry, origin, since, isLate: false, factor: 1, deadline: 0 }
    this.#turns.set(origin, next)
    this.#beginPart(next)
    this.#observer.onTurn(entry)
  }

  /** The turns of which a part is over, each to be given to {@link RequestWatch.expire}. */
  due(): Turn[] {
    const { now } = this.#facts
    const due: Turn[] = []
    this.#wakeAt = Infinity
    for (const turn of this.#turns.values())
      if (turn.deadline <= now) due.push(turn)
      else this.#wakeAt = Math.min(this.#wakeAt, turn.deadline)
    return due
  }

  /** A part is over. After the second one its origin is to be looked at, once its observer has done its part. */
  expire(turn: Turn): void {
    // What another one led to may have ended this one's time.
    if (this.#turns.get(turn.origin) !== turn) return
    if (turn.isLate) {
      this.#end(turn)
      this.#observer.onTimeout(turn.entry)
      return
    }
    turn.isLate = true
    this.#beginPart(turn)
    this.#observer.onLate(turn.entry)
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

  #end({ origin, since, isLate }: Turn): void {
    this.#turns.delete(origin)
    const { now } = this.#facts
    this.#slowestMs = Math.max(this.#slowestMs, now - since)
    if ((now - since) * 2 >= this.#options.requestTimeoutMs) this.#quickSince = now
    if (isLate && this.late.length === 0) this.#observer.onRelief()
  }

  /** Sets when the part under way ends. */
  #beginPart(turn: Turn, latest = Infinity): void {
    const { requestTimeoutMs, forwardTimeoutMs, maxTimeoutMs } = this.#options
    const { now, timeoutFactor } = this.#facts
    turn.factor = timeoutFactor
    // The cap is one for the whole, which both parts share as they do the time-out without it.
    const whole = Math.min(requestTimeoutMs * timeoutFactor, maxTimeoutMs)
    const first = Math.ceil((whole * forwardTimeoutMs) / requestTimeoutMs)
    turn.deadline = Math.min(now + (turn.isLate ? whole - first : first), latest)
    this.#wakeAt = Math.min(this.#wakeAt, turn.deadline)
  }
}

function isWaiting(pool: RequestPool, { entry, origin }: Turn): boolean {
  return entry.origin === origin && pool.get(entry.id) === entry
}
