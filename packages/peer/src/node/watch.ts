import type { Clock, ClockTimer, Lifecycle, LifecycleState } from '@heddle/interface'

/** How often a {@link Watch} looks, in milliseconds. */
export const watchIntervalMs = 1000

/** What a {@link Watch} works with. */
export interface WatchDeps {
  readonly clock: Clock
  /** What it looks at, in this order. */
  readonly checks: readonly (() => void)[]
}

/** Looks again and again at what tells nobody by itself. */
export class Watch implements Lifecycle {
  readonly #deps: WatchDeps
  #state: LifecycleState = 'idle'
  #timer: ClockTimer | undefined

  constructor(deps: WatchDeps) {
    this.#deps = deps
  }

  get state(): LifecycleState {
    return this.#state
  }

  start(): Promise<void> {
    if (this.#state === 'idle') {
      this.#state = 'started'
      this.#lookOn()
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

  /** Looks now: for whoever asks between two looks. */
  look(): void {
    for (const check of this.#deps.checks) check()
  }

  #lookOn(): void {
    this.look()
    this.#timer = this.#deps.clock.schedule(watchIntervalMs, () => this.#lookOn())
  }
}
