import type { Clock } from '@heddle/interface'

/** Promises that resolve after a while, or when all are let go: none leaves a timer behind. */
export class Holds {
  readonly #clock: Clock
  readonly #releases = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves after so many milliseconds, or at {@link Holds.release}. */
  hold(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const release = (): void => {
        timer.cancel()
        this.#releases.delete(release)
        resolve()
      }
      const timer = this.#clock.schedule(ms, release)
      this.#releases.add(release)
    })
  }

  /** Ends all holds. */
  release(): void {
    for (const release of [...this.#releases]) release()
  }
}
