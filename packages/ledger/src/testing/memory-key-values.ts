import { LedgerError } from '../errors.ts'
import type { KeyChange, KeyValue, KeyValueSnapshot, KeyValueStore } from '../storage/storage.ts'

/** What outlives a {@link MemoryKeyValues}. */
export type MemoryKeyValueDisk = Map<string, Uint8Array>

/** A key-value store in memory. */
export class MemoryKeyValues implements KeyValueStore {
  readonly #disk: MemoryKeyValueDisk
  /** What a test lets happen: a commit throws what this returns. */
  readonly #failure: () => LedgerError | undefined
  #closed = false

  constructor(
    disk: MemoryKeyValueDisk = new Map(),
    failure: () => LedgerError | undefined = () => undefined,
  ) {
    this.#disk = disk
    this.#failure = failure
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#disk.get(textOf(key))
  }

  *range(from: Uint8Array, to: Uint8Array, limit: number): Generator<KeyValue> {
    const start = textOf(from)
    const end = textOf(to)
    const keys = [...this.#disk.keys()].filter((key) => key >= start && key < end).sort()
    for (const key of keys.slice(0, limit)) {
      const value = this.#disk.get(key)
      if (value !== undefined) yield { key: Buffer.from(key, 'latin1'), value }
    }
  }

  snapshot(): KeyValueSnapshot {
    const kept = new MemoryKeyValues(new Map(this.#disk))
    return { range: (from, to, limit) => kept.range(from, to, limit), close: () => undefined }
  }

  commit(changes: readonly KeyChange[]): void {
    const failure = this.#failure()
    if (failure !== undefined) throw failure
    if (this.#closed) throw new LedgerError('LEDGER_CLOSED', 'the key-value store is closed')
    for (const { key, value } of changes) {
      const name = textOf(key)
      if (value === undefined) this.#disk.delete(name)
      else this.#disk.set(name, Uint8Array.from(value))
    }
  }

  clear(): void {
    this.#disk.clear()
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }
}

/** Keys as text whose order is that of the bytes. */
const textOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
