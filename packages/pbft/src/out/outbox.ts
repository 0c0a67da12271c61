import type { Broadcaster } from './broadcaster.ts'
import type { ResolvedOptions } from '../options.ts'
import type { MarkedJournal } from './marked-journal.ts'

type Destination = number | 'all'

/** Most bytes of one append, unless a single record has more: journals bound what they take at once. */
const maxAppendBytes = 16 * 1024 * 1024

interface Group {
  readonly records: Uint8Array[]
  readonly actions: (() => void)[]
  recordBytes: number
  /** Messages among the actions. */
  sends: number
  sendBytes: number
}

/** See {@link ReplicaOptions}. */
export type OutboxBounds = Pick<
  ResolvedOptions,
  | 'journalRewriteBytes'
  | 'maxJournalQueue'
  | 'maxJournalQueueBytes'
  | 'maxSendQueue'
  | 'maxSendQueueBytes'
>

export interface OutboxOptions {
  readonly bounds: OutboxBounds
  /** The records that a restart needs now. */
  readonly snapshot: () => Uint8Array[]
  /** The journal failed; nothing is sent any more. */
  readonly onFailure: (error: unknown) => void
  /** Told how many records were made durable together. */
  readonly onAppend: (records: number) => void
  /** There was no room for a message. */
  readonly onDrop: () => void
  /** {@link Outbox.isFull} has become this. */
  readonly onFull: (isFull: boolean) => void
}

const emptyGroup = (): Group => ({
  ...{ records: [], actions: [], recordBytes: 0, sends: 0, sendBytes: 0 },
})

/**
 * Lets nothing out before what it rests on is durable. One append is under way at a time; whatever
 * comes meanwhile shares the next one.
 *
 * While the journal hangs, messages without room are dropped: whatever is still true later, status
 * messages have said again. A record cannot be dropped, for the core has acted on it. So from the
 * bound on the replica takes nothing in that leads to records: see {@link Outbox.isFull}.
 */
export class Outbox {
  readonly #journal: Pick<MarkedJournal, 'append' | 'rewrite' | 'needsHead' | 'isLost'>
  readonly #broadcaster: Broadcaster
  readonly #options: OutboxOptions
  #pending = emptyGroup()
  /** What is on its way into the journal, and what rests on it. */
  #writing = emptyGroup()
  #wasFull = false
  #appendedBytes = 0
  #rewriteDue = false
  #running: Promise<void> | undefined
  #hasFailed = false

  constructor(
    journal: Pick<MarkedJournal, 'append' | 'rewrite' | 'needsHead' | 'isLost'>,
    broadcaster: Broadcaster,
    options: OutboxOptions,
  ) {
    this.#journal = journal
    this.#broadcaster = broadcaster
    this.#options = options
  }

  /**
   * Whether as many records as may wait for the journal do so. What was taken in before may still
   * add the few that follow from it: those of one step of the core, of executions and timers.
   */
  get isFull(): boolean {
    const { maxJournalQueue, maxJournalQueueBytes } = this.#options.bounds
    const [pending, writing] = [this.#pending, this.#writing]
    return (
      pending.records.length + writing.records.length >= maxJournalQueue ||
      pending.recordBytes + writing.recordBytes >= maxJournalQueueBytes
    )
  }

  persist(record: Uint8Array): void {
    this.#pending.records.push(record)
    this.#pending.recordBytes += record.length
    this.#appendedBytes += record.length
    this.#tellFull()
  }

  send(to: Destination, message: Uint8Array): void {
    if (!this.#hasRoomFor(message)) {
      this.#options.onDrop()
      return
    }
    this.#pending.sends++
    this.#pending.sendBytes += message.length
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
    const isLong = this.#appendedBytes >= this.#options.bounds.journalRewriteBytes
    this.#rewriteDue = isLong || this.#journal.isLost
  }

  /** Sets going what was collected since the last call. */
  flush(): void {
    if (this.#running !== undefined || this.#hasFailed) return
    if (this.#hasWork) this.#running = this.#run()
    else this.#release()
  }

  /** Resolves when nothing is on its way into the journal. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  get #hasWork(): boolean {
    return this.#pending.records.length > 0 || this.#journal.needsHead
  }

  async #run(): Promise<void> {
    try {
      while (this.#hasWork) {
        const group = this.#pending
        this.#writing = group
        this.#pending = emptyGroup()
        await this.#store(group.records)
        this.#writing = emptyGroup()
        this.#releaseAll(group)
        this.#tellFull()
      }
      this.#release()
    } catch (error) {
      this.#hasFailed = true
      this.#options.onFailure(error)
    } finally {
      this.#running = undefined
    }
  }

  /** A message that waits alone has room, however large it is. */
  #hasRoomFor(message: Uint8Array): boolean {
    const { maxSendQueue, maxSendQueueBytes } = this.#options.bounds
    const sends = this.#pending.sends + this.#writing.sends
    const bytes = this.#pending.sendBytes + this.#writing.sendBytes
    return sends === 0 || (sends < maxSendQueue && bytes + message.length <= maxSendQueueBytes)
  }

  #tellFull(): void {
    const { isFull } = this
    if (isFull === this.#wasFull) return
    this.#wasFull = isFull
    this.#options.onFull(isFull)
  }

  async #store(records: Uint8Array[]): Promise<void> {
    if (!this.#rewriteDue && !this.#journal.needsHead) {
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
