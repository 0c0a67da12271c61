import type { TxLocation } from '../ports.ts'
import { RunFilter, filterBytes, filterWords, runsPerFilter } from './run-filter.ts'
import type { KeyChange, KeyValueStore } from '../storage/storage.ts'
import { encodeChunk, findInChunk } from './tx-entries.ts'
import type { KeyHash } from './tx-hash.ts'
import type { TxTable } from './tx-table.ts'

/*
 * `t`, run u32, chunk u16 → a chunk of its entries: those whose hash begins with these bits.
 * `f`, number of the filter u32 → the filter of 32 runs.
 */

/** Transactions of a run. */
export const runKeys = filterWords / 16
const chunkBits = 8
const chunksPerRun = 1 << chunkBits

/**
 * Finds transactions in runs of {@link runKeys} that never change, the oldest first. Ids are digests,
 * which come in no order: a tree that holds each at its place would write a page for every id once it
 * is large, while a run is written in one go, a few hundred values long.
 */
export class TxRuns {
  readonly #store: KeyValueStore
  readonly #filters: RunFilter[] = []
  #count: number

  /** @param count - runs that are stored */
  constructor(store: KeyValueStore, count: number) {
    this.#store = store
    this.#count = count
    for (let first = 0; first < count; first += runsPerFilter) {
      this.#filters.push(new RunFilter(store.get(filterKey(this.#filters.length))))
    }
  }

  /** Whether the filters of so many runs are stored: without one, its runs would seem to be empty. */
  static areStored(store: KeyValueStore, count: number): boolean {
    const filters = Array.from({ length: Math.ceil(count / runsPerFilter) }, (_, at) => at)
    return filters.every((number) => store.get(filterKey(number))?.length === filterBytes)
  }

  /** Runs that are stored. */
  get count(): number {
    return this.#count
  }

  /** Where the transaction with the key at the beginning of `key` was stored first. */
  find(key: Buffer, hash: KeyHash): TxLocation | undefined {
    for (const [number, filter] of this.#filters.entries()) {
      let runs = filter.runsWith(hash)
      while (runs !== 0) {
        const lowest = 31 - Math.clz32(runs & -runs)
        const found = this.#findIn(number * runsPerFilter + lowest, key, hash)
        if (found !== undefined) return found
        runs &= runs - 1
      }
    }
    return undefined
  }

  /** Begins the next run. Another is begun only when this one counts. */
  begin(txs: TxTable): RunWriter {
    const number = Math.floor(this.#count / runsPerFilter)
    const filter = (this.#filters[number] ??= new RunFilter())
    return new RunWriter(this.#store, { run: this.#count, txs, filter })
  }

  /** What is to be committed when the run is written; then call `grow`. */
  filterChange(): KeyChange {
    const number = Math.floor(this.#count / runsPerFilter)
    return { key: filterKey(number), value: this.#filters[number]?.bytes }
  }

  /** From now on the run that was written counts. */
  grow(): void {
    this.#count += 1
  }

  #findIn(run: number, key: Buffer, hash: KeyHash): TxLocation | undefined {
    // One that is being written may hold chunks of an attempt that a crash cut short.
    if (run >= this.#count) return undefined
    const chunk = this.#store.get(chunkKey(run, chunkOf(hash.first)))
    return chunk && findInChunk(asBuffer(chunk), key, hash.first)
  }
}

/** What a run is made of. */
interface RunParts {
  readonly run: number
  readonly txs: TxTable
  readonly filter: RunFilter
}

/** Writes a run, chunk by chunk. */
export class RunWriter {
  readonly #store: KeyValueStore
  readonly #parts: RunParts
  /** The entries of each chunk, by their places in the table. */
  readonly #chunks: number[][]
  #written = 0

  constructor(store: KeyValueStore, parts: RunParts) {
    this.#store = store
    this.#parts = parts
    this.#chunks = Array.from({ length: chunksPerRun }, () => [])
    for (let at = 0; at < parts.txs.size; at += 1) {
      this.#chunks[chunkOf(parts.txs.entry(at).first)]?.push(at)
    }
  }

  /** Whether all is written. */
  get isDone(): boolean {
    return this.#written === chunksPerRun
  }

  /** Commits chunks with at least so many keys. @throws LedgerError as the store's `commit` */
  write(keys: number): void {
    const { run, txs, filter } = this.#parts
    const changes: KeyChange[] = []
    let next = this.#written
    for (let taken = 0; taken < keys && next < chunksPerRun; next += 1) {
      const entries = (this.#chunks[next] ?? []).map((at) => txs.entry(at))
      // Also when it is empty: a run that was cut short may have left another in its place.
      changes.push({ key: chunkKey(run, next), value: encodeChunk(entries) })
      for (const entry of entries) filter.add(run % runsPerFilter, entry)
      taken += entries.length
    }
    this.#store.commit(changes)
    this.#written = next
  }
}

const chunkOf = (hash: number): number => hash >>> (32 - chunkBits)

function chunkKey(run: number, chunk: number): Buffer {
  const key = Buffer.allocUnsafe(7)
  key.write('t')
  key.writeUInt32BE(run, 1)
  key.writeUInt16BE(chunk, 5)
  return key
}

function filterKey(number: number): Buffer {
  const key = Buffer.allocUnsafe(5)
  key.write('f')
  key.writeUInt32BE(number, 1)
  return key
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
