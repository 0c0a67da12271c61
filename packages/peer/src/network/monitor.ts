import { isCodedError } from '@heddle/interface'
import { weakQuorumOf } from '@heddle/pbft'
import { maxOffsetMs } from '../node/clock-watch.ts'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { heddle } from '@heddle/proto'
import type { NetworkClient } from './client.ts'

/** How often validators are asked. */
const intervalMs = 500

/** How long one may take to answer. */
const timeoutMs = 2000

/** Asks every validator where it stands, again and again; keeps the last answers. */
export class Monitor {
  readonly #client: NetworkClient
  readonly #clock: Clock
  readonly #latest: (heddle.StatusReply | undefined)[]
  /** The clock of each less ours, when it answered. */
  readonly #offsetsMs: (number | undefined)[] = []
  readonly #refusals: (Error | undefined)[] = []
  /** f + 1. */
  readonly #needed: number
  #timer: ClockTimer | undefined
  #stopped = false

  constructor(client: NetworkClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
    this.#latest = client.validators.map(() => undefined)
    this.#needed = weakQuorumOf(client.validators.length)
  }

  /** The last answer of each validator; undefined for one that gave none. */
  get statuses(): readonly (heddle.StatusReply | undefined)[] {
    return this.#latest
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
    const offsets = this.#offsetsMs.flatMap((each) => (each === undefined ? [] : [each]))
    offsets.sort((a, b) => b - a)
    const [behind = 0, ahead = 0] = [offsets.at(this.#needed - 1), offsets.at(-this.#needed)]
    if (behind >= maxOffsetMs) return behind
    return ahead <= -maxOffsetMs ? ahead : 0
  }

  /** Those of which the last answer says that they do not do their work. */
  get notWell(): number[] {
    return this.#latest.flatMap((each, index) =>
      each?.problems.some(({ degraded }) => !degraded) === true ? [index] : [],
    )
  }

  /** Why validators take no question of this client, when f + 1 say so. */
  get refusal(): Error | undefined {
    const refusals = this.#refusals.filter((each) => each !== undefined)
    return refusals[this.#needed - 1]
  }

  /** Asks once. */
  async ask(): Promise<void> {
    await Promise.all(
      this.#client.validators.map(async (validator, index) => {
        try {
          this.#latest[index] = await validator.status({ timeoutMs })
          this.#refusals[index] = undefined
        } catch (error) {
          this.#latest[index] = undefined
          this.#refusals[index] = isCodedError(error, 'PEER_FORBIDDEN') ? error : undefined
        }
        const { dateMs } = validator
        this.#offsetsMs[index] = dateMs && dateMs - this.#clock.wallTime()
      }),
    )
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
}
