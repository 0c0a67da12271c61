import type { Clock, ClockTimer, Lifecycle, LifecycleState } from '@heddle/interface'

/** Does something when it is started, and again and again until it is stopped. */
export abstract class Repeating implements Lifecycle {
  readonly #clock: Clock
  readonly #intervalMs: number
  #state: LifecycleState = 'idle'
  #timer: ClockTimer | undefined

  /** @param intervalMs - between two times, in milliseconds */
  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock
    this.#intervalMs = intervalMs
  }

  get state(): LifecycleState {
    return this.#state
  }

  start(): Promise<void> {
    if (this.#state === 'idle') {
      this.#state = 'started'
      this.#go()
    }
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.#state = 'stopped'
    this.#timer?.cancel()
    return Promise.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** What is done each time; must not throw. */
  protected abstract repeat(): void

  #go(): void {
    this.#timer = this.#clock.schedule(this.#intervalMs, () => this.#go())
    this.repeat()
  }
}
