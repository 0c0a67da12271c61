import type { Clock } from '@heddle/interface'
import type { Journal } from '../ports.ts'

export interface MemoryJournalOptions {
  /** With a clock, an append takes so long; without, a microtask. */
  readonly clock?: Clock
  readonly appendMs?: number
}

/** A journal in memory. What was not yet durable at {@link MemoryJournal.crash} is lost. */
export class MemoryJournal implements Journal {
  readonly #options: MemoryJournalOptions
  #records: Uint8Array[] = []
  #life = 0

  constructor(options: MemoryJournalOptions = {}) {
    this.#options = options
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    const kept = [...records]
    await this.#written()
    this.#records.push(...kept)
  }

  async rewrite(records: readonly Uint8Array[]): Promise<void> {
    const kept = [...records]
    await this.#written()
    this.#records = kept
  }

  records(): Iterable<Uint8Array> {
    return [...this.#records]
  }

  /** As if the process died now: appends under way never happen. What is durable stays. */
  crash(): void {
    this.#life++
  }

  async #written(): Promise<void> {
    const life = this.#life
    const { clock, appendMs = 0 } = this.#options
    if (clock !== undefined) await new Promise<void>((done) => clock.schedule(appendMs, done))
    if (life !== this.#life) await new Promise<never>(() => undefined)
  }
}
