import { BoundedMap, Budget } from '@heddle/events'
import type { Clock } from '@heddle/interface'
import { hexOf } from '../hex.ts'

/** So many seconds' worth of frames may come at once. */
const burstSeconds = 5

/** What frames a peer may send. */
export interface FrameBudgetsOptions {
  readonly maxFramesPerSecond: number
  readonly maxHeldMs: number
  readonly maxConnections: number
}

/** What the frames of each peer may cost: a new connection begins with what the last one left. */
export class FrameBudgets {
  readonly #clock: Clock
  readonly #options: FrameBudgetsOptions
  /** Of the peers heard lately, by PKI-ID in hex. */
  readonly #budgets: BoundedMap<Budget<'frames'>>

  constructor(clock: Clock, options: FrameBudgetsOptions) {
    this.#clock = clock
    this.#options = options
    this.#budgets = new BoundedMap(options.maxConnections)
  }

  /** That of the peer with this PKI-ID. */
  of(pkiId: Uint8Array): Budget<'frames'> {
    const { maxFramesPerSecond: perSecond, maxHeldMs } = this.#options
    const frames = { perSecond, burst: burstSeconds * perSecond }
    const key = hexOf(pkiId)
    const known = this.#budgets.get(key)
    const budget = known ?? new Budget(this.#clock, { limits: { frames }, maxHeldMs })
    this.#budgets.set(key, budget)
    return budget
  }
}
