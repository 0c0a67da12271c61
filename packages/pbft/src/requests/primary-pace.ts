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

/** What the measure rests on; read each time that it is needed. */
export interface PaceFacts {
  /** By the clock, in milliseconds. */
  readonly now: number
}

/** What it finds. */
export interface PaceObserver {
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
 * Has no clock of its own and no timer: the same facts lead to the same findings.
 *
 * @see Prime (Amir, Coan, Kirsch, Lane: "Byzantine replication under attack", DSN 2008), which holds
 * the turnaround time of the leader against round trips that were measured
 */
export class PrimaryPace {
  readonly #facts: PaceFacts
  readonly #timeoutMs: () => number
  readonly #observer: PaceObserver
  #phase: Phase = 'idle'
  /** When the phase began. */
  #since = 0
  /** What was owed then, in milliseconds. */
  #owedMs = 0
  /** The time-out that this is measured against, in milliseconds. */
  #limitMs: number
  #isSlow = false
  /** The turn under way has no grace. */
  #hasLeftOut = false
  #wakeAt = Infinity

  /** @param timeoutMs - the request time-out, scaled, in milliseconds */
  constructor(facts: PaceFacts, timeoutMs: () => number, observer: PaceObserver) {
    this.#facts = facts
    this.#timeoutMs = timeoutMs
    this.#limitMs = timeoutMs()
    this.#observer = observer
  }

  /** Whether the primary has used up half of the time that it may owe. */
  get isSlow(): boolean {
    return this.#isSlow
  }

  /** When {@link PrimaryPace.expire} is to be called, or before. */
  get wakeAt(): number {
    return this.#wakeAt
  }

  /** From now on it is this phase; cheap when it was before. */
  observe(phase: Phase): void {
    if (phase === this.#phase) return
    this.#rescale()
    const { now } = this.#facts
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
    this.#wakeAt = Infinity
    this.#phase = 'idle'
    this.#owedMs = 0
    this.#isSlow = false
    this.#hasLeftOut = false
  }

  /** Looks at the phase under way, once it is time. */
  expire(): void {
    const { now } = this.#facts
    if (now < this.#wakeAt) return
    this.#wakeAt = Infinity
    this.#rescale()
    if (this.#phase === 'primary') this.#judge(now)
  }

  /** What was owed of a longer time-out is as much of a shorter one: trouble of before makes nobody hasty. */
  #rescale(): void {
    const limitMs = this.#timeoutMs()
    this.#owedMs *= limitMs / this.#limitMs
    this.#limitMs = limitMs
  }

  #owed(now: number): number {
    const passedMs = now - this.#since
    if (this.#phase === 'idle') return this.#owedMs
    if (this.#phase === 'group') return Math.max(this.#owedMs - passedMs, 0)
    const graceMs = this.#hasLeftOut ? 0 : this.#limitMs * gracePart
    return this.#owedMs + Math.max(passedMs - graceMs, 0)
  }

  #judge(now: number): void {
    const owedMs = this.#owed(now)
    const isSlow = owedMs >= this.#limitMs / 2
    if (isSlow !== this.#isSlow) {
      this.#isSlow = isSlow
      this.#observer.onSlow(isSlow)
    }
    if (owedMs >= this.#limitMs) {
      this.#owedMs = 0
      this.#since = now
      this.#isSlow = false
      this.#observer.onTooSlow()
    }
    if (this.#phase === 'primary') this.#arm(now)
  }

  /** Sets when the phase leads to a verdict; who asks before finds out. */
  #arm(now: number): void {
    const limitMs = this.#isSlow ? this.#limitMs : this.#limitMs / 2
    const due = Math.ceil(this.#since + this.#limitMs * gracePart + limitMs - this.#owedMs)
    this.#wakeAt = Math.min(this.#wakeAt, Math.max(due, now + 1))
  }
}
