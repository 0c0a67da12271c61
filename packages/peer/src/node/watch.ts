import { Repeating } from './repeating.ts'
import type { Clock } from '@heddle/interface'

/** How often a {@link Watch} looks, in milliseconds. */
export const watchIntervalMs = 1000

/** Looks again and again at what tells nobody by itself. */
export class Watch extends Repeating {
  readonly #checks: readonly (() => void)[]

  /** @param checks - what it looks at, in this order */
  constructor(clock: Clock, checks: readonly (() => void)[]) {
    super(clock, watchIntervalMs)
    this.#checks = checks
  }

  /** Looks now: for whoever asks between two looks. */
  look(): void {
    for (const check of this.#checks) check()
  }

  protected override repeat(): void {
    this.look()
  }
}
