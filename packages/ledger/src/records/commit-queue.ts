import { LedgerError } from '../errors.ts'

/** What a {@link CommitQueue} needs to know. */
export interface CommitQueueOptions<T> {
  /**
   * Makes a prefix of `items` durable, at least the first, and resolves to how many. When it
   * rejects, none of them was.
   */
  readonly commit: (items: readonly T[]) => Promise<number>
  /** Called in the same turn in which everything queued was rejected. */
  readonly onFailure?: (error: LedgerError) => void
  /** Bytes of a group: with more waiting, further groups follow. One item may have more. */
  readonly maxGroupBytes: number
  /** Bytes that may wait; `checkRoom` refuses more. */
  readonly maxPendingBytes: number
}

interface Waiting<T> {
  readonly item: T
  readonly bytes: number
  readonly alone: boolean
  readonly resolve: () => void
  readonly reject: (error: LedgerError) => void
}

/**
 * Group commit: what arrives while one group is being synced is committed together in the next.
 * Order is kept; when a commit fails, everything behind it fails too, since it may build on it.
 */
export class CommitQueue<T> {
  readonly #options: CommitQueueOptions<T>
  #waiting: Waiting<T>[] = []
  #pendingBytes = 0
  #running: Promise<void> | undefined

  constructor(options: CommitQueueOptions<T>) {
    this.#options = options
  }

  /** @throws LedgerError LEDGER_BUSY when so much waits that `bytes` more would be too much */
  checkRoom(bytes: number): void {
    const { maxPendingBytes } = this.#options
    // When nothing waits, any item may come: its own size is bounded elsewhere.
    if (this.#pendingBytes === 0 || this.#pendingBytes + bytes <= maxPendingBytes) return
    const message = `more than ${maxPendingBytes} bytes would wait: await earlier calls first`
    throw new LedgerError('LEDGER_BUSY', message)
  }

  /**
   * Resolves when `item` is durable; rejects with what `commit` rejected with. Ask `checkRoom` first.
   *
   * @param alone - never in a group with others
   */
  push(item: T, bytes: number, alone = false): Promise<void> {
    this.#pendingBytes += bytes
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, bytes, alone, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing waits any more. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    // Lets all appends of this turn into the first group.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        const done = await this.#options.commit(group.map(({ item }) => item))
        for (const entry of this.#waiting.splice(0, done)) {
          this.#pendingBytes -= entry.bytes
          entry.resolve()
        }
      } catch (error) {
        this.#fail(error)
      }
    }
    this.#running = undefined
  }

  #nextGroup(): Waiting<T>[] {
    const group: Waiting<T>[] = []
    let bytes = 0
    for (const entry of this.#waiting) {
      bytes += entry.bytes
      if (group.length > 0 && (entry.alone || bytes > this.#options.maxGroupBytes)) break
      group.push(entry)
      if (entry.alone) break
    }
    return group
  }

  #fail(cause: unknown): void {
    const error =
      cause instanceof LedgerError
        ? cause
        : new LedgerError('LEDGER_IO', `cannot write: ${String(cause)}`, { cause })
    const rejected = this.#waiting
    this.#waiting = []
    this.#pendingBytes = 0
    this.#options.onFailure?.(error)
    for (const entry of rejected) entry.reject(error)
  }
}
