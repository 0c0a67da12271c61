import type { Clock, ClockTimer } from '@heddle/interface'
import { DeliverError } from './errors.ts'
import type { Endpoint } from './ports.ts'
import type { Submission } from './submission.ts'

/** What {@link Expiry} asks. */
export interface ExpiryContext {
  readonly clock: Clock
  /** See `BroadcastClientOptions`. */
  readonly unreachableTimeoutMs: number
  /** Everything without a final answer. */
  readonly pending: ReadonlySet<Submission>
  /** Whether there is a connection to one that is not among `refused`. */
  readonly isReached: (refused: ReadonlyMap<Endpoint, unknown>) => boolean
}

/** Rejects what has waited for too long since somebody could be reached who had not refused it. */
export class Expiry {
  readonly #context: ExpiryContext
  /** `Clock.now()` when the first of the connections that failed in a row was tried. */
  #unreachedSince: number | undefined
  #timer: ClockTimer | undefined

  constructor(context: ExpiryContext) {
    this.#context = context
  }

  /** A connection was made. */
  connected(): void {
    this.#unreachedSince = undefined
  }

  /** A connection that was tried at `since` failed. */
  unreachable(since: number): void {
    this.#unreachedSince ??= since
  }

  /** Rejects what is due now, and what will be: because of `error`, unless somebody has refused it. */
  expire(error: unknown): void {
    this.#timer?.cancel()
    const { clock, pending } = this.#context
    const now = clock.now()
    let next = Infinity
    for (const submission of pending) {
      const left = this.#endOf(submission) - now
      if (left > 0) next = Math.min(next, left)
      else submission.reject(refusedByTooFew(submission) ?? (error as Error))
    }
    if (next < Infinity) this.#timer = clock.schedule(next, () => this.expire(error))
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** `Clock.now()` from which on it has waited for too long; Infinity while somebody has a connection. */
  #endOf({ since, refusals }: Submission): number {
    const from = this.#unreachedSince
    if (from === undefined || this.#context.isReached(refusals)) return Infinity
    return Math.max(since, from) + this.#context.unreachableTimeoutMs
  }
}

/** Who has refused it may be the ones that lie: it is not known what the others do with it. */
function refusedByTooFew({ refusals }: Submission): DeliverError | undefined {
  const cause = [...refusals.values()].at(-1)
  if (cause === undefined) return undefined
  const who = refusals.size === 1 ? 'one endpoint' : `${refusals.size} endpoints`
  const message = `refused by ${who} only, and no other can be reached: ${cause.message}`
  return new DeliverError('DELIVER_UNREACHABLE', message, { cause, endpoint: cause.endpoint })
}
