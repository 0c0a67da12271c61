import type { Broadcaster } from './broadcaster.ts'
import type { Journal } from './ports.ts'

type Destination = number | 'all'

interface Group {
  readonly records: Uint8Array[]
  readonly actions: (() => void)[]
}

export interface OutboxOptions {
  /** After so many appended bytes the journal is worth rewriting. */
  readonly journalRewriteBytes: number
  /** The records that a restart needs now. */
  readonly snapshot: () => Uint8Array[]
  /** The journal failed; nothing is sent any more. */
  readonly onFailure: (error: unknown) => void
  /** Told how many records were made durable together. */
  readonly onAppend: (records: number) => void
}

const emptyGroup = (): Group => ({ records: [], actions: [] })

/**
 * Lets nothing out before what it rests on is durable. One append is under way at a time; whatever
 * comes meanwhile shares the next one.
 */
export class Outbox {
  readonly #journal: Journal
  readonly #broadcaster: Broadcaster
  readonly #options: OutboxOptions
  #pending = emptyGroup()
  #appendedBytes = 0
  #rewriteDue = false
  #running: Promise<void> | undefined
  #hasFailed = false

  constructor(journal: Journal, broadcaster: Broadcaster, options: OutboxOptions) {
    this.#journal = journal
    this.#broadcaster = broadcaster
    this.#options = options
  }

  persist(record: Uint8Array): void {
    this.#pending.records.push(record)
    this.#appendedBytes += record.length
  }

  send(to: Destination, message: Uint8Array): void {
    this.defer(() => {
      if (to === 'all') this.#broadcaster.broadcast(message)
      else this.#broadcaster.send(to, message)
    })
  }

  /** Does `action` once everything persisted before is durable. */
  defer(action: () => void): void {
    this.#pending.actions.push(action)
  }

  /** A checkpoint became stable: what lies below it can leave the journal. */
  truncate(): void {
    this.#rewriteDue = this.#appendedBytes >= this.#options.journalRewriteBytes
  }

  /** Sets going what was collected since the last call. */
  flush(): void {
    if (this.#running !== undefined || this.#hasFailed) return
    if (this.#pending.records.length === 0) this.#release()
    else this.#running = this.#run()
  }

  /** Resolves when nothing is on its way into the journal. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    try {
      while (this.#pending.records.length > 0) {
        const group = this.#pending
        this.#pending = emptyGroup()
        await this.#store(group.records)
        this.#releaseAll(group)
      }
      this.#release()
    } catch (error) {
      this.#hasFailed = true
      this.#options.onFailure(error)
    } finally {
      this.#running = undefined
    }
  }

  async #store(records: Uint8Array[]): Promise<void> {
    if (!this.#rewriteDue) {
      await this.#journal.append(records)
      this.#options.onAppend(records.length)
      return
    }
    this.#rewriteDue = false
    // Taken now, the snapshot holds all that the records say and replaces them too.
    const snapshot = this.#options.snapshot()
    this.#appendedBytes = snapshot.reduce((bytes, record) => bytes + record.length, 0)
    await this.#journal.rewrite(snapshot)
  }

  #release(): void {
    const group = this.#pending
    if (group.actions.length === 0) return
    this.#pending = emptyGroup()
    this.#releaseAll(group)
  }

  #releaseAll({ actions }: Group): void {
    for (const action of actions) action()
    this.#broadcaster.flush()
  }
}
