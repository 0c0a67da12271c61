import { CodedError, type Clock, type ClockTimer } from '@heddle/interface'
import { InvalidOptionsError } from '../errors.ts'

/** A virtual clock ran more timers in one `advance` than any test means: one re-arms itself. */
export class ClockRunawayError extends CodedError<'EVENTS_CLOCK_RUNAWAY'> {
  constructor(timers: number) {
    super('EVENTS_CLOCK_RUNAWAY', `one advance ran ${timers} timers; does one arm itself at once?`)
  }
}

/** `advance` was called, and not awaited, while another one was under way. */
export class ClockBusyError extends CodedError<'EVENTS_CLOCK_BUSY'> {
  constructor() {
    super('EVENTS_CLOCK_BUSY', 'an advance is under way; await it before the next one')
  }
}

/** Where a virtual clock starts. */
export interface VirtualClockOptions {
  /** First value of `now`. Default 0. */
  readonly startMs?: number
  /** First value of `wallTime`. Default 2026-01-01T00:00:00Z. */
  readonly wallTimeMs?: number
}

/** Most timers that one `advance` runs. */
export const maxTimersPerAdvance = 1_000_000

interface Entry {
  readonly due: number
  readonly order: number
  readonly callback: () => void
}

const isBefore = (a: Entry, b: Entry): boolean =>
  a.due < b.due || (a.due === b.due && a.order < b.order)

/**
 * Time that passes only when a test says so.
 *
 * Timers run in the order of their due times, and among equal ones in the order in which they were
 * scheduled, whatever the machine does: the same calls give the same run.
 */
export class VirtualClock implements Clock {
  // A binary heap; cancelled entries stay until they come up, and are not in #live.
  readonly #heap: Entry[] = []
  readonly #live = new Set<Entry>()
  readonly #wallOffset: number
  #now: number
  #order = 0
  #isAdvancing = false

  constructor(options: VirtualClockOptions = {}) {
    this.#now = options.startMs ?? 0
    this.#wallOffset = (options.wallTimeMs ?? Date.UTC(2026, 0, 1)) - this.#now
  }

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#now + this.#wallOffset
  }

  schedule(delayMs: number, callback: () => void): ClockTimer {
    const due = this.#now + (delayMs > 0 ? delayMs : 0)
    const entry = { due, order: this.#order, callback }
    this.#order += 1
    this.#live.add(entry)
    this.#insert(entry)
    return { cancel: () => this.#live.delete(entry) }
  }

  /** How many calls are scheduled. */
  get pending(): number {
    return this.#live.size
  }

  /**
   * Lets `ms` pass: runs every timer that comes due, in order, also those that are scheduled
   * meanwhile, each at its own time, and after each (and first of all) everything that it set off
   * in microtasks and `setImmediate`. Real I/O is not waited for. `advance(0)` runs what is due.
   *
   * @throws {InvalidOptionsError} EVENTS_INVALID_OPTIONS for a negative or infinite time
   * @throws what a timer's callback throws; the clock then stands at that time, the rest is pending
   * @throws {ClockBusyError} EVENTS_CLOCK_BUSY while another advance is under way
   * @throws {ClockRunawayError} EVENTS_CLOCK_RUNAWAY beyond {@link maxTimersPerAdvance} timers
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity))
      throw new InvalidOptionsError(`ms must be finite, 0 or more, not ${ms}`)
    if (this.#isAdvancing) throw new ClockBusyError()
    this.#isAdvancing = true
    try {
      const end = this.#now + ms
      await turn()
      for (let timers = 0; ; timers += 1) {
        const entry = this.#takeDue(end)
        if (entry === undefined) break
        if (timers >= maxTimersPerAdvance) throw new ClockRunawayError(timers)
        this.#now = entry.due
        entry.callback()
        await turn()
      }
      this.#now = end
    } finally {
      this.#isAdvancing = false
    }
  }

  /** The next live entry due at `end` or before, taken out. */
  #takeDue(end: number): Entry | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      const isLive = this.#live.has(top)
      if (isLive && top.due > end) return undefined
      this.#removeTop()
      if (isLive) {
        this.#live.delete(top)
        return top
      }
    }
    return undefined
  }

  /** Puts `entry` at the end and moves it up past all that come after it. */
  #insert(entry: Entry): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Entry
      if (!isBefore(entry, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = entry
  }

  /** Puts the last entry in the place of the top one and moves it down. */
  #removeTop(): void {
    const heap = this.#heap
    const last = heap.pop() as Entry
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && isBefore(right, heap[child] as Entry)) child += 1
      const below = heap[child] as Entry
      if (!isBefore(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}

/** One turn of the event loop: before its callback runs, Node empties the microtask queue. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
