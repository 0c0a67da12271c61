import type { Logger } from '@heddle/interface'
import { positionChanges, storedPosition } from './block-positions.ts'
import type { TxLocation } from '../ports.ts'
import type { RecordPosition } from '../records/record-scan.ts'
import type { KeyChange, KeyValueStore } from '../storage/storage.ts'
import { decodeEntries, encodeEntries, keyBytes } from './tx-entries.ts'
import type { TxEntry } from './tx-entries.ts'
import { hashKey, hashSeed } from './tx-hash.ts'
import type { KeyHash } from './tx-hash.ts'
import { isTxId, packTxIds } from './tx-id.ts'
import { TxRuns, runKeys } from './tx-runs.ts'
import type { RunWriter } from './tx-runs.ts'
import { TxTable } from './tx-table.ts'

/** A part of a run is committed when as many keys were added since the last: some chunks at once. */
export const pieceKeys = 1_024
/** As many keys more than were added since are in each part: so a run ends before the next is due. */
export const pieceMargin = 512
/** Keys that may wait in memory while commits fail; with more, appends are refused. */
export const maxUnindexedKeys = 65_536

/** Height u64, runs u32, identity of the block files. */
const metaKey = Buffer.from('m')
const metaBytes = 20
/** The transactions that were in no run when the index was closed. */
const tailKey = Buffer.from('w')

/**
 * Finds blocks and transactions in the block files. The files are the truth: the index only holds
 * what was synced there, runs behind by a run or two in the database (by nothing for lookups, which
 * see what still waits in memory), and is made again from the files when it is missing.
 */
export class BlockIndex {
  readonly #store: KeyValueStore
  readonly #identity: Uint8Array
  readonly #logger: Logger | undefined
  readonly #seed: KeyHash
  readonly #runs: TxRuns
  /** Blocks that are not in the database, in order. */
  readonly #blocks = new Map<bigint, RecordPosition>()
  /** Transactions that are in no run, for each run to come: all but the last are full. */
  readonly #tables: TxTable[] = []
  /** Writes the first of them. */
  #writer: RunWriter | undefined
  #next: bigint
  /** Keys added since the last look at what waits. */
  #added = 0
  /** After a commit that failed: as many keys must wait before the next. */
  #due = 0

  /** Takes an open store; one of other files (`identity`, 8 bytes), or of another form, is emptied. */
  constructor(store: KeyValueStore, identity: Uint8Array, logger?: Logger) {
    this.#store = store
    this.#identity = identity
    this.#logger = logger
    this.#seed = hashSeed(identity)
    const meta = Buffer.from(store.get(metaKey) ?? [])
    const isOurs = meta.length === metaBytes && meta.subarray(12).equals(identity)
    const isWhole = isOurs && TxRuns.areStored(store, meta.readUInt32BE(8))
    if (!isWhole) store.clear()
    this.#next = isWhole ? meta.readBigUInt64BE() : 0n
    this.#runs = new TxRuns(store, isWhole ? meta.readUInt32BE(8) : 0)
    const tail = Buffer.from(store.get(tailKey) ?? [])
    for (const entry of decodeEntries(tail)) this.#addTx(entry)
  }

  /** Number of blocks indexed; the next to add. */
  get height(): bigint {
    return this.#next
  }

  /**
   * Adds a synced block; those of the index's height only, in order.
   *
   * @param txIds - what `packTxIds` made of the ids; kept until they are committed
   */
  add(position: RecordPosition, txIds: Buffer): void {
    this.#blocks.set(position.sequence, position)
    const block = Number(position.sequence)
    let index = 0
    for (let key = 0; key < txIds.length; key += keyBytes(txIds, key)) {
      this.#addTx({ block, index, bytes: txIds, key })
      index += 1
    }
    this.#next = position.sequence + 1n
    this.#added += 1 + index
  }

  /** Where a block's record is; absent when it is not indexed. */
  block(number: bigint): RecordPosition | undefined {
    return this.#blocks.get(number) ?? storedPosition(this.#store, number)
  }

  /** Where a transaction was stored first. */
  transaction(txId: string): TxLocation | undefined {
    if (!isTxId(txId)) return undefined
    const key = packTxIds([txId])
    const hash = this.#hash(key, 0)
    // What waits is younger than what is in the database.
    return this.#runs.find(key, hash) ?? this.#waitingTx(key, 0, hash)
  }

  /**
   * Commits a little, when there is a run to write: about as much as was added since. A commit that
   * fails loses nothing: all goes on waiting in memory, and the next attempt comes when `runKeys`
   * more have gathered.
   */
  flushSome(): void {
    if (!this.#hasRun || this.#added < pieceKeys || this.#waiting < this.#due) return
    try {
      // What was added before a run was due says nothing about its pace.
      this.#writeRun((this.#writer === undefined ? pieceKeys : this.#added) + pieceMargin)
      this.#added = 0
      this.#due = 0
    } catch (error) {
      this.#due = this.#waiting + runKeys
      this.#logger?.error('index commit failed', { waiting: this.#waiting }, error)
    }
  }

  /**
   * Makes sure that not too much waits.
   *
   * @throws LedgerError what the store's commit throws, when too much waits behind it
   */
  checkRoom(): void {
    if (this.#waiting >= maxUnindexedKeys) this.flush()
  }

  /** Commits all that waits. @throws LedgerError as the store's `commit` */
  flush(): void {
    while (this.#hasRun) this.#writeRun(Number.POSITIVE_INFINITY)
    if (this.#blocks.size > 0) {
      this.#settle(this.#next, { key: tailKey, value: this.#tail() }, this.#runs.count)
    }
    this.#due = 0
  }

  /** Commits all that waits and closes the store. @throws LedgerError as its `commit` */
  async close(): Promise<void> {
    try {
      this.flush()
    } finally {
      await this.#store.close()
    }
  }

  get #waiting(): number {
    return this.#tables.reduce((sum, { size }) => sum + size, this.#blocks.size)
  }

  get #hasRun(): boolean {
    return this.#tables[0]?.size === runKeys
  }

  #hash(bytes: Buffer, key: number): KeyHash {
    return hashKey(bytes, key, key + keyBytes(bytes, key), this.#seed)
  }

  #waitingTx(bytes: Buffer, key: number, hash: KeyHash): TxLocation | undefined {
    for (const table of this.#tables) {
      const place = table.find(bytes, key, hash)
      if (place !== undefined) return place
    }
    return undefined
  }

  #addTx({ block, index, bytes, key }: TxEntry): void {
    // An id of no bytes finds nothing.
    if (keyBytes(bytes, key) === 2) return
    const hash = this.#hash(bytes, key)
    // Whoever was first stays.
    if (this.#waitingTx(bytes, key, hash) !== undefined) return
    let table = this.#tables.at(-1)
    if (table === undefined || table.size === runKeys) {
      table = new TxTable(runKeys)
      this.#tables.push(table)
    }
    table.add({ block, index, bytes, key, first: hash.first, second: hash.second })
  }

  /** The transactions that are in no run and wait for none to be written. */
  #tail(): Buffer {
    const [table] = this.#tables
    const entries = Array.from({ length: table?.size ?? 0 }, (_, at) => table?.entry(at))
    return encodeEntries(entries.filter((entry) => entry !== undefined))
  }

  /** Writes some keys of the first run that waits; when that is complete, it counts. */
  #writeRun(keys: number): void {
    const [first, second] = this.#tables
    if (first === undefined) return
    this.#writer ??= this.#runs.begin(first)
    this.#writer.write(keys)
    if (!this.#writer.isDone) return
    // The run may end within a block, whose other transactions then begin the next one.
    const height = second === undefined ? this.#next : BigInt(second.entry(0).block)
    this.#settle(height, this.#runs.filterChange(), this.#runs.count + 1)
    this.#runs.grow()
    this.#writer = undefined
    this.#tables.shift()
  }

  /** Commits the blocks below `height`, with what holds their transactions: `runs` runs, or a tail. */
  #settle(height: bigint, change: KeyChange, runs: number): void {
    const positions = [...this.#blocks.values()].filter(({ sequence }) => sequence < height)
    const meta = Buffer.alloc(metaBytes)
    meta.writeBigUInt64BE(height)
    meta.writeUInt32BE(runs, 8)
    meta.set(this.#identity, 12)
    // What was in a tail is in the run now, or in the tail that takes its place.
    this.#store.commit([
      { key: tailKey, value: undefined },
      change,
      ...positionChanges(this.#store, positions),
      { key: metaKey, value: meta },
    ])
    for (const { sequence } of positions) this.#blocks.delete(sequence)
  }
}
