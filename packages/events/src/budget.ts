import type { Clock } from '@heddle/interface'

/** How much of something may be spent. */
export interface BudgetLimit {
  /** What comes back in each second. */
  readonly perSecond: number
  /** What there is at most: at the beginning, and after some quiet. */
  readonly burst: number
}

/** Limits of a {@link Budget}, by the names of what is spent. */
export interface BudgetOptions<Name extends string> {
  readonly limits: Readonly<Record<Name, BudgetLimit>>
  /** Who was held back for so many milliseconds, without a quiet time, has exceeded its budget. */
  readonly maxHeldMs: number
}

/** What an overdrawn budget asks for. */
export interface Overdraft<Name extends string> {
  /** How long to take nothing more, in milliseconds. */
  readonly holdMs: number
  /** What is overdrawn the most. */
  readonly name: Name
  /** Whether holding back has gone on for too long. */
  readonly isExceeded: boolean
}

interface Bucket<Name extends string> extends BudgetLimit {
  readonly name: Name
  left: number
}

/**
 * What one sender may cost: a token bucket for each of several things. More may be spent than there
 * is; then the sender is held back until that has come back, so that no more than `perSecond` is spent
 * for long. Whoever keeps to the limits is never held back.
 */
export class Budget<Name extends string> {
  readonly #clock: Clock
  readonly #maxHeldMs: number
  readonly #buckets: readonly Bucket<Name>[]
  readonly #byName: ReadonlyMap<Name, Bucket<Name>>
  #at: number
  #heldMs = 0

  constructor(clock: Clock, { limits, maxHeldMs }: BudgetOptions<Name>) {
    this.#clock = clock
    this.#maxHeldMs = maxHeldMs
    const names = Object.keys(limits) as Name[]
    this.#buckets = names.map((name) => ({ name, ...limits[name], left: limits[name].burst }))
    this.#byName = new Map(this.#buckets.map((bucket) => [bucket.name, bucket]))
    this.#at = clock.now()
  }

  /** Takes `amount` off, however much there is. */
  spend(name: Name, amount: number): void {
    this.#refill()
    const bucket = this.#byName.get(name)
    if (bucket !== undefined) bucket.left -= amount
  }

  /** Whether more of it was spent than there was. */
  isOverdrawn(name: Name): boolean {
    this.#refill()
    return (this.#byName.get(name)?.left ?? 0) < 0
  }

  /**
   * What to do before the sender is heard again; undefined when it has kept to its budget. To be asked
   * once for each time that the sender was heard: what is asked for counts as done.
   */
  settle(): Overdraft<Name> | undefined {
    this.#refill()
    let holdMs = 0
    let worst: Name | undefined
    for (const { name, left, perSecond } of this.#buckets) {
      const dueMs = Math.ceil((-left / perSecond) * 1_000)
      if (dueMs <= holdMs) continue
      holdMs = dueMs
      worst = name
    }
    if (worst === undefined) {
      if (this.#buckets.every(({ left, burst }) => left >= burst / 2)) this.#heldMs = 0
      return undefined
    }
    this.#heldMs += holdMs
    return { holdMs, name: worst, isExceeded: this.#heldMs >= this.#maxHeldMs }
  }

  #refill(): void {
    const now = this.#clock.now()
    const seconds = (now - this.#at) / 1_000
    if (seconds <= 0) return
    this.#at = now
    for (const bucket of this.#buckets)
      bucket.left = Math.min(bucket.burst, bucket.left + bucket.perSecond * seconds)
  }
}
