import type { Clock, ClockTimer } from '@heddle/interface'

/**
 * What the group is busy with: nothing that waits is this primary's to order; the next step is the
 * primary's; or it is everybody's, who agree on what it proposed and execute it.
 */
export type Phase = 'idle' | 'primary' | 'group'

/**
 * So much of the time-out a primary may take each time, whatever it did before, unless it leaves out
 * then what it had room for and knew long before.
 */
export const gracePart = 1 / 8

/** So much of the time-out ago a request was sent that a primary has known for long. */
export const knownPart = 1 / 2

export interface PrimaryPaceDependencies {
  readonly clock: Clock
  /** The request time-out, scaled, in milliseconds. */
  readonly timeoutMs: () => number
  /** Whether the primary has used up half of the time that it may owe. */
  readonly onSlow: (isSlow: boolean) => void
  /** It has used up all of it; it is measured anew. */
  readonly onTooSlow: () => void
}

/**
 * Measures the time that the primary takes against the time that the group takes: whenever requests
 * wait and it is the primary's turn, what it takes beyond {@link gracePart} of the time-out is owed.
 * It is paid off by the time in which the group agrees and executes. Who owes a whole time-out is too
 * slow: over and over it takes longer than all the rest does.
 *
 * Nor may it order little at a time, always just within that grace: a turn that ends with a batch that
 * leaves out what it should not has none.
 *
 * So no time-out has to be near what is usual. Slow machines, disks and networks, and batches of any
 * size, make the primary's part longer and the group's as well, and load alone none: with more to
 * order the group is busy all the time.
 *
 * @see Prime (Amir, Coan, Kirsch, Lane: "Byzantine replication under attack", DSN 2008), which holds
 * the turnaround time of the leader against round trips that were measured
 */
export class PrimaryPace {
  readonly #deps: PrimaryPaceDependencies
  #phase: Phase = 'idle'
  /** When the phase began. */
  #since = 0
  /** What was owed then, in milliseconds. */
  #owedMs = 0
  #isSlow = false
  /** The turn under way has no grace. */
  #hasLeftOut = false
  #timer: ClockTimer | undefined
  #timerDue = 0

  constructor(deps: PrimaryPaceDependencies) {
    this.#deps = deps
  }

  /** Whether the primary has used up half of the time that it may owe. */
  get isSlow(): boolean {
    return this.#isSlow
  }

  /** From now on it is this phase; cheap when it was before. */
  observe(phase: Phase): void {
    if (phase === this.#phase) return
    const now = this.#deps.clock.now()
    this.#owedMs = this.#owed(now)
    this.#phase = phase
    this.#since = now
    this.#hasLeftOut = false
    this.#judge(now)
  }

  /** The primary has left out what it had room for and has known for {@link knownPart} of the time-out. */
  hasLeftOut(): void {
    this.#hasLeftOut = this.#phase === 'primary'
  }

  /** The view ended, or nobody could tell: nothing is owed. */
  reset(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#phase = 'idle'
    this.#owedMs = 0
    this.#isSlow = false
    this.#hasLeftOut = false
  }

  #owed(now: number): number {
    const passedMs = now - this.#since
    if (this.#phase === 'idle') return this.#owedMs
    if (this.#phase === 'group') return Math.max(this.#owedMs - passedMs, 0)
    const graceMs = this.#hasLeftOut ? 0 : this.#deps.timeoutMs() * gracePart
    return this.#owedMs + Math.max(passedMs - graceMs, 0)
  }

  #judge(now: number): void {
    const owedMs = this.#owed(now)
    const limitMs = this.#deps.timeoutMs()
    const isSlow = owedMs >= limitMs / 2
    if (isSlow !== this.#isSlow) {
      this.#isSlow = isSlow
      this.#deps.onSlow(isSlow)
    }
    if (owedMs >= limitMs) {
      this.#owedMs = 0
      this.#since = now
      this.#isSlow = false
      this.#deps.onTooSlow()
    }
    if (this.#phase === 'primary') this.#arm(now)
  }

  /** Sets the timer for when the phase leads to a verdict; one that fires before finds out. */
  #arm(now: number): void {
    const { clock, timeoutMs } = this.#deps
    const limitMs = this.#isSlow ? timeoutMs() : timeoutMs() / 2
    const due = Math.ceil(this.#since + timeoutMs() * gracePart + limitMs - this.#owedMs)
    if (this.#timer !== undefined && this.#timerDue <= due) return
    this.#timer?.cancel()
    this.#timerDue = due
    this.#timer = clock.schedule(Math.max(due - now, 1), () => {
      this.#timer = undefined
      if (this.#phase === 'primary') this.#judge(clock.now())
    })
  }
}
