import type { Clock, ClockTimer } from '@heddle/interface'
import type { ExpiryQueue, Revocable, Timer } from './ports.ts'

/** A timer that does not run, bound to the queue of `manager`. */
export function createTimer<E>(clock: Clock, manager: ExpiryQueue<E>): Timer<E> {
  return new QueueTimer(clock, manager)
}

class QueueTimer<E> implements Timer<E> {
  readonly #clock: Clock
  readonly #manager: ExpiryQueue<E>
  #isHalted = false
  #isCounting = false
  #deadline = 0
  #event: E | undefined
  // The clock is asked to call at #alarmAt, which may come before the deadline: moving the deadline
  // back is only an assignment, and the early call sets the alarm again.
  #alarm: ClockTimer | undefined
  #alarmAt = 0
  #expiry: Revocable | undefined

  constructor(clock: Clock, manager: ExpiryQueue<E>) {
    this.#clock = clock
    this.#manager = manager
  }

  get isRunning(): boolean {
    return this.#isCounting || this.#expiry?.isPending === true
  }

  softReset(delayMs: number, event: E): void {
    if (!this.isRunning) this.reset(delayMs, event)
  }

  reset(delayMs: number, event: E): void {
    if (this.#isHalted) return
    this.#revoke()
    const delay = delayMs > 0 ? delayMs : 0
    this.#isCounting = true
    this.#event = event
    this.#deadline = this.#clock.now() + delay
    if (this.#alarm !== undefined && this.#alarmAt <= this.#deadline) return
    this.#alarm?.cancel()
    this.#arm(delay)
  }

  stop(): void {
    this.#revoke()
    this.#isCounting = false
    this.#event = undefined
    this.#alarm?.cancel()
    this.#alarm = undefined
  }

  halt(): void {
    this.stop()
    this.#isHalted = true
  }

  #arm(delayMs: number): void {
    this.#alarmAt = this.#deadline
    this.#alarm = this.#clock.schedule(delayMs, () => this.#wake())
  }

  /** The alarm went off: at the deadline, or at an earlier one that has been moved back since. */
  #wake(): void {
    this.#alarm = undefined
    const remainingMs = this.#deadline - this.#clock.now()
    if (remainingMs > 0) {
      this.#arm(remainingMs)
      return
    }
    const event = this.#event as E
    this.#isCounting = false
    this.#event = undefined
    this.#expiry = this.#manager.queueRevocable(event)
  }

  /** Takes back the expiry, wherever it waits; nothing happens when there is none. */
  #revoke(): void {
    this.#expiry?.revoke()
    this.#expiry = undefined
  }
}
