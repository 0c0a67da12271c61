import { quorumOf } from '@heddle/pbft'
import { hold } from './conditions.ts'
import type { Clock } from '@heddle/interface'
import type { Replica } from '@heddle/pbft'
import type { ConditionSink } from './conditions.ts'

/** So long a validator may start, in milliseconds; then it is said what it still lacks. */
export const startingMs = 5000

/** What a {@link StartCheck} looks at. */
export interface StartCheckDeps {
  readonly replica: Pick<Replica, 'state' | 'status'>
  /** The replicas of all other validators, and of those connected now. */
  readonly others: readonly number[]
  readonly connected: () => readonly number[]
  readonly clock: Clock
  readonly conditions: ConditionSink
}

/**
 * Says that a validator starts: until it is connected with a quorum and has heard from the others where
 * it was, for {@link startingMs} at most. It does no work then, and nothing is wrong with it.
 */
export class StartCheck {
  readonly #deps: StartCheckDeps
  /** When it was looked at first. */
  #since: number | undefined
  #isStarting = true

  constructor(deps: StartCheckDeps) {
    this.#deps = deps
  }

  /** Whether what it lacks is only a matter of time. */
  get isStarting(): boolean {
    return this.#isStarting
  }

  look(): void {
    if (!this.#isStarting) return
    const { clock, conditions } = this.#deps
    this.#since ??= clock.now()
    const lacks = this.#lacks()
    this.#isStarting = lacks !== undefined && clock.now() - this.#since < startingMs
    const reason = `it is starting: ${lacks ?? ''}`
    hold(conditions, 'starting', this.#isStarting ? { reason } : undefined)
  }

  #lacks(): string | undefined {
    const { replica, others, connected } = this.#deps
    if (replica.state === 'idle' || replica.state === 'starting') return 'its consensus begins'
    const needed = quorumOf(others.length + 1) - 1
    const reached = connected().length
    if (reached < needed) return `it is connected with ${reached} of ${needed} validators`
    return replica.status().isAsking ? 'it asks the others what it said before' : undefined
  }
}
