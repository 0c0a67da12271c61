import { LedgerError } from '../errors.ts'
import type { KeyChange, KeyValue, KeyValueStore } from '../storage.ts'

/** What outlives a {@link MemoryKeyValues} that was closed or cut off by a crash. */
export class MemoryKeyValueDisk {
  /** Content after each commit that a power loss may still undo, the durable one first. */
  #versions: ReadonlyMap<string, Uint8Array>[] = [new Map()]

  get latest(): ReadonlyMap<string, Uint8Array> {
    return this.#versions.at(-1) ?? new Map()
  }

  add(version: ReadonlyMap<string, Uint8Array>): void {
    this.#versions.push(version)
    // So many commits at most are undone, as LMDB flushes behind each.
    if (this.#versions.length > 4) this.#versions.shift()
  }

  flush(): void {
    this.#versions = [this.latest]
  }

  /** Power loss: the last commits may be gone, in whole. */
  crash(random: () => number): void {
    const kept = 1 + Math.floor(random() * this.#versions.length)
    this.#versions = [this.#versions[kept - 1] ?? this.latest]
  }
}

/** A key-value store in memory. */
export class MemoryKeyValues implements KeyValueStore {
  readonly #disk: MemoryKeyValueDisk
  #closed = false
  /** When set, commits reject with it: a full disk. */
  failure: LedgerError | undefined

  constructor(disk = new MemoryKeyValueDisk()) {
    this.#disk = disk
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#disk.latest.get(textOf(key))
  }

  *range(from: Uint8Array, to: Uint8Array, limit: number): Generator<KeyValue> {
    const start = textOf(from)
    const end = textOf(to)
    const keys = [...this.#disk.latest.keys()].filter((key) => key >= start && key < end).sort()
    for (const key of keys.slice(0, limit)) {
      const value = this.#disk.latest.get(key)
      if (value !== undefined) yield { key: Buffer.from(key, 'latin1'), value }
    }
  }

  async commit(changes: readonly KeyChange[]): Promise<void> {
    const next = new Map(this.#disk.latest)
    for (const { key, value, ifAbsent } of changes) {
      const name = textOf(key)
      if (value === undefined) next.delete(name)
      else if (ifAbsent !== true || !next.has(name)) next.set(name, Uint8Array.from(value))
    }
    // A real commit is not there before the turn ends.
    await Promise.resolve()
    if (this.failure !== undefined) throw this.failure
    if (this.#closed) throw new LedgerError('LEDGER_CLOSED', 'the key-value store is closed')
    this.#disk.add(next)
  }

  clear(): Promise<void> {
    this.#disk.add(new Map())
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#closed = true
    this.#disk.flush()
    return Promise.resolve()
  }
}

/** Keys as text whose order is that of the bytes. */
const textOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
