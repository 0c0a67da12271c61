import type { Clock } from '@heddle/interface'
import type { Journal } from '../ports.ts'

/** How a {@link MemoryJournal} takes its time. */
export interface MemoryJournalOptions {
  /** With a clock, an append takes so long; without, a microtask. */
  readonly clock?: Clock
  /** Default 0. */
  readonly appendMs?: number
}

/** A journal in memory. What was not yet durable at {@link MemoryJournal.crash} is lost, or half of it. */
export class MemoryJournal implements Journal {
  readonly #options: MemoryJournalOptions
  #records: Uint8Array[] = []
  /** Of appends under way, in order. */
  #writing: Uint8Array[] = []
  #life = 0
  /** Set by {@link MemoryJournal.lose} when the journal notices. */
  damage: string | undefined
  #hanging: { readonly until: Promise<void>; readonly end: () => void } | undefined

  constructor(options: MemoryJournalOptions = {}) {
    this.#options = options
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    this.#writing.push(...records)
    const { length } = records
    await this.#written()
    this.#records.push(...this.#writing.splice(0, length))
  }

  async rewrite(records: readonly Uint8Array[]): Promise<void> {
    const kept = [...records]
    await this.#written()
    this.#records = kept
    this.damage = undefined
  }

  records(): Promise<readonly Uint8Array[]> {
    return Promise.resolve([...this.#records])
  }

  /**
   * As if the process died now. What is durable stays; of appends under way the first `torn` records,
   * default none, made it.
   */
  crash(torn = 0): void {
    this.#life++
    this.#records.push(...this.#writing.slice(0, torn))
    this.#writing = []
    // Whoever opened it set aside what was damaged; from then on only the mark tells that it is not all.
    this.damage = undefined
  }

  /**
   * As if the disk had lost the last `count` records, durable ones, all of them by default. With
   * `isNoticed` the journal knows, as one does that finds damage.
   */
  lose(count = Infinity, isNoticed = false): void {
    this.#records = this.#records.slice(0, Math.max(this.#records.length - count, 0))
    if (isNoticed) this.damage = 'records at the end of the journal are damaged'
  }

  /** As if somebody put these records, a copy of earlier times, in place of all. */
  setBack(records: readonly Uint8Array[]): void {
    this.#records = [...records]
    this.damage = undefined
  }

  /** From now on nothing gets durable, as on a disk that does not answer; nothing fails either. */
  hang(): void {
    if (this.#hanging !== undefined) return
    let end: () => void = () => undefined
    const until = new Promise<void>((resolve) => (end = resolve))
    this.#hanging = { until, end }
  }

  /** Ends {@link hang}: what waited gets durable, in order. */
  resume(): void {
    this.#hanging?.end()
    this.#hanging = undefined
  }

  async #written(): Promise<void> {
    const life = this.#life
    const { clock, appendMs = 0 } = this.#options
    if (clock !== undefined) await new Promise<void>((done) => clock.schedule(appendMs, done))
    while (this.#hanging !== undefined) await this.#hanging.until
    if (life !== this.#life) await new Promise<never>(() => undefined)
  }
}
