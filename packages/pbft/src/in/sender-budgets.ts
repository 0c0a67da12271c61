import { Budget, Holds } from '@heddle/events'
import { isCodedError } from '@heddle/interface'
import type { Clock } from '@heddle/interface'
import { checkCost } from './message-cost.ts'
import type { ResolvedOptions } from '../options.ts'
import type { SenderCharges } from '../requests/intake.ts'

/** What each sender has so much of in a second. */
export type Spending = 'messages' | 'rejections' | 'signatures' | 'cpu'

/** So many seconds' worth may be spent at once, after some quiet. */
export const burstSeconds = 5

/** Why a request was not even checked. */
const uncheckedCodes: ReadonlySet<string> = new Set([
  'PBFT_POOL_FULL',
  'PBFT_JOURNAL_BUSY',
  'PBFT_OVERDRAWN',
])

/** At most one word about a sender that exceeds its budget in such a time, in milliseconds. */
const toldEveryMs = 60_000

type BudgetingOptions = Pick<
  ResolvedOptions,
  | 'n'
  | 'maxMessagesPerSecond'
  | 'maxRejectionsPerSecond'
  | 'maxSignaturesPerSecond'
  | 'maxCpuMsPerSecond'
  | 'maxHeldMs'
>

/** Told about who goes too far. */
export interface FloodObserver {
  /** `from` was held back for `maxHeldMs`, and goes on; not told again for a while. */
  flooding(from: number, what: Spending): void
}

/**
 * What the others may cost this replica: messages, refusals, and the time that taking them in takes.
 * Whoever spends more is held back for as long as it takes to come by it.
 */
export class SenderBudgets implements SenderCharges {
  readonly #clock: Clock
  readonly #budgets: readonly Budget<Spending>[]
  readonly #toldAt = new Map<number, number>()
  readonly #holds: Holds
  readonly #observer: FloodObserver

  constructor(clock: Clock, options: BudgetingOptions, observer: FloodObserver) {
    this.#clock = clock
    this.#observer = observer
    this.#holds = new Holds(clock)
    const { maxHeldMs, maxMessagesPerSecond, maxRejectionsPerSecond } = options
    const { maxSignaturesPerSecond, maxCpuMsPerSecond } = options
    const limits = {
      messages: limitOf(maxMessagesPerSecond),
      rejections: limitOf(maxRejectionsPerSecond),
      signatures: limitOf(maxSignaturesPerSecond),
      cpu: limitOf(maxCpuMsPerSecond),
    }
    this.#budgets = Array.from(
      { length: options.n },
      () => new Budget<Spending>(clock, { limits, maxHeldMs }),
    )
  }

  /** `from` has cost this much: messages, rejections, or milliseconds. */
  spend(from: number, what: Spending, amount: number): void {
    this.#budgets[from]?.spend(what, amount)
  }

  /** So many signatures of others came from `from` and were verified; those that are due it must send. */
  checkedSignatures(from: number, count: number, areDue: boolean): void {
    this.spend(from, 'cpu', (count * checkCost) / 1_000)
    if (!areDue) this.spend(from, 'signatures', count)
  }

  checkedInVain(from: number, requests: number): void {
    this.spend(from, 'cpu', (requests * checkCost) / 1_000)
  }

  refused(from: number, error: unknown): void {
    if (isCodedError(error) && uncheckedCodes.has(error.code)) return
    this.spend(from, 'rejections', 1)
    this.checkedInVain(from, 1)
  }

  isOverdrawn(from: number): boolean {
    const budget = this.#budgets[from]
    return budget?.isOverdrawn('rejections') === true || budget?.isOverdrawn('cpu') === true
  }

  /** After a frame of `from`: resolves when the next may come; undefined for at once. */
  settle(from: number): Promise<void> | undefined {
    const overdraft = this.#budgets[from]?.settle()
    if (overdraft === undefined) return undefined
    const { holdMs, name, isExceeded } = overdraft
    if (isExceeded) this.#tell(from, name)
    return this.#holds.hold(holdMs)
  }

  /** Holds nobody back any more. */
  close(): void {
    this.#holds.release()
  }

  #tell(from: number, what: Spending): void {
    const now = this.#clock.now()
    const toldAt = this.#toldAt.get(from)
    if (toldAt !== undefined && now - toldAt < toldEveryMs) return
    this.#toldAt.set(from, now)
    this.#observer.flooding(from, what)
  }
}

function limitOf(perSecond: number): { perSecond: number; burst: number } {
  return { perSecond, burst: burstSeconds * perSecond }
}
