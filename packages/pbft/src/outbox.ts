import type { Broadcaster } from './broadcaster.ts'
import type { Journal } from './ports.ts'

type Destination = number | 'all'

/** Most bytes of one append, unless a single record has more: journals bound what they take at once. */
const maxAppendBytes = 16 * 1024 * 1024

interface Group {
  readonly records: Uint8Array[]
  readonly actions: (() => void)[]
  /** Messages among the actions. */
  sends: number
}

export interface OutboxOptions {
  /** After so many appended bytes the journal is worth rewriting. */
  readonly journalRewriteBytes: number
  /** Most messages that wait for the journal; more are dropped, as a network may drop them. */
  readonly maxSendQueue: number
  /** The records that a restart needs now. */
  readonly snapshot: () => Uint8Array[]
  /** The journal failed; nothing is sent any more. */
  readonly onFailure: (error: unknown) => void
  /** Told how many records were made durable together. */
  readonly onAppend: (records: number) => void
  /** There was no room for a message. */
  readonly onDrop: () => void
}

const emptyGroup = (): Group => ({ records: [], actions: [], sends: 0 })

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
    if (this.#pending.sends >= this.#options.maxSendQueue) {
      this.#options.onDrop()
      return
    }
    this.#pending.sends++
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
      for (const part of partsOf(records)) {
        await this.#journal.append(part)
        this.#options.onAppend(part.length)
      }
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

/** The records in their order, in parts of at most {@link maxAppendBytes}, or of a single record. */
function partsOf(records: readonly Uint8Array[]): Uint8Array[][] {
  const parts: Uint8Array[][] = []
  let bytes = Infinity
  for (const record of records) {
    if (bytes + record.length > maxAppendBytes) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)?.push(record)
    bytes += record.length
  }
  return parts
}
