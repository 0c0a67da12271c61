import type { Clock, ClockTimer } from '@heddle/interface'

/** How long a command may get no further before it says what it waits for, in milliseconds. */
export const quietMs = 5000

/** How often it is looked whether it got further. */
const lookMs = 250

/** What is waited for, and where it is said. */
export interface WaitingOptions {
  readonly clock: Clock
  /** Takes a sentence for standard error. */
  readonly note: (text: string) => void
  /** Changes whenever the work gets further. Default: never. */
  readonly progress?: () => unknown
  /** What is waited for, as it goes on after `waiting for `; undefined: for nothing that is worth a word. */
  readonly what: () => string | undefined
}

/** Says once what is waited for when nothing has got further for {@link quietMs}. */
export class Waiting {
  readonly #options: WaitingOptions
  #timer: ClockTimer | undefined
  #at: unknown
  #since: number

  constructor(options: WaitingOptions) {
    this.#options = options
    this.#since = options.clock.now()
    this.#at = options.progress?.()
    this.#look()
  }

  /** Nothing is waited for any more. */
  stop(): void {
    this.#timer?.cancel()
  }

  #look(): void {
    this.#timer = this.#options.clock.schedule(lookMs, () => {
      if (!this.#hasSaid()) this.#look()
    })
  }

  #hasSaid(): boolean {
    const { clock, progress, note, what } = this.#options
    const at = progress?.()
    if (at !== this.#at) this.#since = clock.now()
    this.#at = at
    if (clock.now() - this.#since < quietMs) return false
    const text = what()
    if (text === undefined) return false
    note(`waiting for ${text}`)
    return true
  }
}

/** Does `work`, and says once what is waited for when it takes longer than {@link quietMs}. */
export async function saying<Result>(
  options: WaitingOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  const waiting = new Waiting(options)
  try {
    return await work()
  } finally {
    waiting.stop()
  }
}
