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
  #timer: ClockTimer | undefined
  #stopped = false

  constructor(client: NetworkClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
    this.#latest = client.validators.map(() => undefined)
  }

  /** The last answer of each validator; undefined for one that gave none. */
  get statuses(): readonly (heddle.StatusReply | undefined)[] {
    return this.#latest
  }

  /** The view that most validators are in, and its primary. */
  get view(): { readonly view: bigint; readonly primary: number } | undefined {
    const votes = new Map<bigint, number>()
    for (const status of this.#latest) {
      if (status?.activeView === true) votes.set(status.view, (votes.get(status.view) ?? 0) + 1)
    }
    const best = [...votes].sort((a, b) => b[1] - a[1])[0]?.[0]
    const found = this.#latest.find((each) => each?.activeView === true && each.view === best)
    return found === undefined ? undefined : { view: found.view, primary: found.primary }
  }

  /** Those of which the last answer says that they do not do their work. */
  get notWell(): number[] {
    return this.#latest.flatMap((each, index) =>
      each?.problems.some(({ degraded }) => !degraded) === true ? [index] : [],
    )
  }

  /** Asks once. */
  async ask(): Promise<void> {
    await Promise.all(
      this.#client.validators.map(async (validator, index) => {
        try {
          this.#latest[index] = await validator.status({ timeoutMs })
        } catch {
          this.#latest[index] = undefined
        }
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
