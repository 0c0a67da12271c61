import { isCodedError, weakQuorumOf } from '@heddle/interface'
import type { AbortOptions, Clock, ClockTimer } from '@heddle/interface'
import type { heddle } from '@heddle/proto'
import type { NetworkClient } from './network-client.ts'

/** How far a clock may be from those of others before it is named, in milliseconds. */
export const maxOffsetMs = 30_000

/** How often validators are asked. */
const intervalMs = 500

/** How long one may take to answer, in milliseconds. */
export const answerTimeoutMs = 2000

/** Asks every validator where it stands, again and again; keeps the last answers. */
export class Monitor {
  readonly #client: Pick<NetworkClient, 'validators'>
  readonly #clock: Clock
  readonly #latest: (heddle.StatusReply | undefined)[]
  /** The clock of each less ours, when it answered. */
  readonly #offsetsMs: (number | undefined)[] = []
  readonly #failures: unknown[] = []
  /** f + 1. */
  readonly #needed: number
  #timer: ClockTimer | undefined
  #stopped = false

  constructor(client: Pick<NetworkClient, 'validators'>, clock: Clock) {
    this.#client = client
    this.#clock = clock
    this.#latest = client.validators.map(() => undefined)
    this.#needed = weakQuorumOf(client.validators.length)
  }

  /** The last answer of each validator; undefined for one that gave none. */
  get statuses(): readonly (heddle.StatusReply | undefined)[] {
    return this.#latest
  }

  /** Why each validator gave no answer the last time; undefined for one that did. */
  get failures(): readonly unknown[] {
    return this.#failures
  }

  /** The newest view, with its primary, that f + 1 validators say they are in: one of them is correct. */
  get view(): { readonly view: bigint; readonly primary: number } | undefined {
    const all = this.#latest.flatMap((each) => (each?.activeView === true ? [each] : []))
    const agreed = all.filter(
      ({ view, primary }) =>
        all.filter((each) => each.view === view && each.primary === primary).length >= this.#needed,
    )
    const [first] = agreed.sort((a, b) => Number(b.view - a.view))
    return first && { view: first.view, primary: first.primary }
  }

  /**
   * A height that the chain has: f + 1 validators say that they have as much. What is submitted from
   * now on stands in later blocks. Undefined when fewer have answered.
   */
  get height(): bigint | undefined {
    const heights = this.#latest.flatMap((each) => (each === undefined ? [] : [each.height]))
    return heights.sort((a, b) => Number(b - a))[this.#needed - 1]
  }

  /** How many have answered. */
  get answered(): number {
    return this.#latest.filter((each) => each !== undefined).length
  }

  /**
   * By how much the clock of this machine is behind those of f + 1 validators, in milliseconds; below 0:
   * ahead. 0 while fewer than that say so, or it is less than {@link maxOffsetMs}.
   */
  get clockBehindMs(): number {
    const offsets = this.#offsets().sort((a, b) => b - a)
    const [behind = 0, ahead = 0] = [offsets.at(this.#needed - 1), offsets.at(-this.#needed)]
    if (behind >= maxOffsetMs) return behind
    return ahead <= -maxOffsetMs ? ahead : 0
  }

  /** Whether f + 1 validators have said what their clocks show. */
  get knowsClocks(): boolean {
    return this.#offsets().length >= this.#needed
  }

  /** Those of which the last answer says that they do not do their work. */
  get notWell(): number[] {
    return this.#latest.flatMap((each, index) =>
      each?.problems.some(({ degraded }) => !degraded) === true ? [index] : [],
    )
  }

  /** Why validators take no question of this client, when f + 1 say so. */
  get refusal(): Error | undefined {
    const refusals = this.#failures.filter((each) => isCodedError(each, 'CLIENT_FORBIDDEN'))
    return refusals[this.#needed - 1]
  }

  /** Asks once. Rejects with the reason of `signal`. */
  async ask({ signal }: AbortOptions = {}): Promise<void> {
    await Promise.all(
      this.#client.validators.map(async (validator, index) => {
        try {
          this.#latest[index] = await validator.status({ timeoutMs: answerTimeoutMs, signal })
          this.#failures[index] = undefined
        } catch (error) {
          this.#latest[index] = undefined
          this.#failures[index] = error
        }
        const { dateMs } = validator
        this.#offsetsMs[index] = dateMs && dateMs - this.#clock.wallTime()
      }),
    )
    signal?.throwIfAborted()
  }

  /** Goes on asking until {@link stop}. */
  start(): void {
    if (this.#stopped) return
    void this.ask().then(() => {
      if (this.#stopped) return
      this.#timer = this.#clock.schedule(intervalMs, () => this.start())
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #offsets(): number[] {
    return this.#offsetsMs.flatMap((each) => (each === undefined ? [] : [each]))
  }
}
