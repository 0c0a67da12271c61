import { Usages } from './origin-share.ts'
import type { PoolEntry } from './request-pool.ts'

/**
 * Own requests of one size: those on their way to the primary, and those behind them. Next is one of
 * the client with the least bytes on their way, so that who brings little never waits for what others
 * bring much of; of equal ones the client that has waited longest. So what has waited longest of all
 * is next as soon as nothing of its client is on its way.
 *
 * @see Bertsekas, Gallager: "Data Networks", 2nd ed., §6.5.2 (max-min fairness)
 */
export class SendLine {
  readonly #sent = new Set<PoolEntry>()
  /** The same by client. */
  readonly #sentOf = new Usages()
  /** By client, in the order in which they began to wait. */
  readonly #behind = new Map<string, Set<PoolEntry>>()
  #bytes = 0

  /** What is on its way. */
  get sent(): ReadonlySet<PoolEntry> {
    return this.#sent
  }

  /** Bytes of that. */
  get bytes(): number {
    return this.#bytes
  }

  /** One is to be sent. */
  push(entry: PoolEntry): void {
    const waiting = this.#behind.get(entry.client)
    if (waiting === undefined) this.#behind.set(entry.client, new Set([entry]))
    else waiting.add(entry)
  }

  /** The one to be sent next. */
  next(): PoolEntry | undefined {
    let least = Infinity
    let next: PoolEntry | undefined
    for (const [client, [first]] of this.#behind) {
      const { bytes } = this.#sentOf.of(client)
      if (bytes < least) [least, next] = [bytes, first]
      if (bytes === 0) break
    }
    return next
  }

  /** One is sent now. */
  depart(entry: PoolEntry): void {
    this.#forget(entry)
    if (this.#sent.has(entry)) return
    this.#sent.add(entry)
    this.#sentOf.add(entry.client, entry.request)
    this.#bytes += entry.request.length
  }

  /** One has a number, was executed or given up. */
  leave(entry: PoolEntry): void {
    this.#forget(entry)
    if (!this.#sent.delete(entry)) return
    this.#sentOf.remove(entry.client, entry.request)
    this.#bytes -= entry.request.length
  }

  #forget(entry: PoolEntry): void {
    const waiting = this.#behind.get(entry.client)
    if (waiting?.delete(entry) === true && waiting.size === 0) this.#behind.delete(entry.client)
  }
}
