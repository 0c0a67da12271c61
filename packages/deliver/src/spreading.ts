import type { Clock, ClockTimer } from '@heddle/interface'
import type { Endpoint } from './ports.ts'
import type { Submission } from './submission.ts'

/** How much longer an endpoint is waited for that answers, if late, than one that does not. */
export const slowFactor = 5

/**
 * Most bytes of envelopes that several endpoints have at a time because one did not answer; one envelope
 * they always may. Where all are slow, everything twice and three times would make them slower still.
 */
export const maxSpreadBytes = 4 * 1024 * 1024

/** Into so many parts `spreadAfterMs` is divided to look what is unanswered. */
const looks = 8

/** What {@link Spreading} asks and tells. */
export interface SpreadingContext {
  readonly clock: Clock
  /** See `BroadcastClientOptions`. */
  readonly spreadAfterMs: number
  /** What somebody has, and has not answered. */
  readonly given: ReadonlySet<Submission>
  /** Whether `endpoint` has answered nothing at all for `spreadAfterMs`. */
  readonly isSilent: (endpoint: Endpoint) => boolean
  /** These wait for too long at who has them. */
  readonly onLate: (late: readonly Submission[]) => void
  /** It is to be given to others as well. */
  readonly spread: (submission: Submission) => void
}

/** Has others asked too for what one endpoint was given and does not answer in time. */
export class Spreading {
  readonly #context: SpreadingContext
  /** What was given to one endpoint, in that order. */
  #unspread: Submission[] = []
  #timer: ClockTimer | undefined

  constructor(context: SpreadingContext) {
    this.#context = context
  }

  /** From now on its answer is waited for, unless it is already. */
  time(submission: Submission): void {
    if (submission.givenAt !== undefined || this.#context.spreadAfterMs === Infinity) return
    submission.givenAt = this.#context.clock.now()
    this.#unspread.push(submission)
    this.#arm()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** Waits until the oldest is due. */
  #arm(): void {
    const [oldest] = this.#unspread
    if (oldest === undefined || this.#timer !== undefined) return
    const { clock, spreadAfterMs } = this.#context
    const left = spreadAfterMs - this.#ageOf(oldest)
    this.#timer = clock.schedule(Math.max(spreadAfterMs / looks, left), () => {
      this.#timer = undefined
      this.#spreadDue()
      this.#arm()
    })
  }

  #ageOf({ givenAt = 0 }: Submission): number {
    return this.#context.clock.now() - givenAt
  }

  #spreadDue(): void {
    const { given, onLate, spread } = this.#context
    const unanswered = this.#unspread.filter(({ settled }) => !settled)
    const late = unanswered.filter((each) => this.#isLate(each))
    onLate(late)
    let bytes = 0
    for (const each of given) if (each.spread) bytes += each.bytes.length
    for (const submission of late) {
      if (bytes > 0 && bytes + submission.bytes.length > maxSpreadBytes) break
      bytes += submission.bytes.length
      submission.spread = true
      spread(submission)
    }
    this.#unspread = unanswered.filter((each) => !each.spread)
  }

  /** Copies to others are no help for a network that is busy, only more to do. */
  #isLate(submission: Submission): boolean {
    const { spreadAfterMs, isSilent } = this.#context
    const age = this.#ageOf(submission)
    if (age < spreadAfterMs) return false
    return age >= slowFactor * spreadAfterMs || [...submission.holders].every(isSilent)
  }
}
