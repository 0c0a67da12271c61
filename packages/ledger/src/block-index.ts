import type { Logger } from '@heddle/interface'
import type { TxLocation } from './ports.ts'
import type { RecordPosition } from './record-scan.ts'
import type { KeyChange, KeyValueStore } from './storage.ts'
import { isTxId, packTxId } from './tx-id.ts'

/** Keys gathered before they are committed together: a few blocks, some milliseconds of work. */
export const flushKeys = 2_048
/** Keys that may wait in memory when commits are slow or fail; with more, appends wait or fail. */
export const maxUnindexedKeys = 65_536

/** What is indexed, but not in the database yet. */
interface Batch {
  readonly blocks: Map<bigint, RecordPosition>
  readonly txs: Map<string, TxLocation>
}

const newBatch = (): Batch => ({ blocks: new Map(), txs: new Map() })
const sizeOf = (batch: Batch): number => batch.blocks.size + batch.txs.size

/**
 * Finds blocks and transactions in the block files. The files are the truth: the index only holds
 * what was synced there, runs behind by a few blocks in the database (by none for lookups, which see
 * what still waits in memory), and is made again from the files when it is missing.
 *
 * Keys: `b` and a number u64 → offset u48, length u32; `t` and a packed id → block u64, index u32;
 * `m` → height u64 and the identity of the block files.
 */
export class BlockIndex {
  readonly #store: KeyValueStore
  readonly #logger: Logger | undefined
  readonly #identity: Uint8Array
  #next: bigint
  #waiting = newBatch()
  #committing: Batch | undefined
  #flushing: Promise<void> | undefined

  private constructor(store: KeyValueStore, identity: Uint8Array, next: bigint, logger?: Logger) {
    this.#store = store
    this.#identity = identity
    this.#next = next
    this.#logger = logger
  }

  /** Takes an open store; one that belongs to other files (`identity`, 8 bytes) is emptied. */
  static async open(
    store: KeyValueStore,
    identity: Uint8Array,
    logger?: Logger,
  ): Promise<BlockIndex> {
    const meta = store.get(metaKey)
    if (meta !== undefined && meta.length === 16) {
      const bytes = Buffer.from(meta)
      if (bytes.subarray(8).equals(identity)) {
        return new BlockIndex(store, identity, bytes.readBigUInt64BE(), logger)
      }
    }
    await store.clear()
    return new BlockIndex(store, identity, 0n, logger)
  }

  /** Number of blocks indexed; the next to add. */
  get height(): bigint {
    return this.#next
  }

  /** Adds a synced block; those of the index's height only, in order. */
  add(position: RecordPosition, txIds: readonly string[]): void {
    const block = position.sequence
    this.#waiting.blocks.set(block, position)
    for (const [index, txId] of txIds.entries()) {
      if (!isTxId(txId) || this.#waiting.txs.has(txId)) continue
      this.#waiting.txs.set(txId, { block, index })
    }
    this.#next = block + 1n
  }

  /** Where a block's record is; absent when it is not indexed. */
  block(number: bigint): RecordPosition | undefined {
    const known = this.#waiting.blocks.get(number) ?? this.#committing?.blocks.get(number)
    if (known !== undefined) return known
    const value = this.#store.get(blockKey(number))
    if (value?.length !== 10) return undefined
    const bytes = Buffer.from(value)
    return { sequence: number, offset: bytes.readUIntBE(0, 6), length: bytes.readUInt32BE(6) }
  }

  /** Where a transaction was stored first. */
  transaction(txId: string): TxLocation | undefined {
    if (!isTxId(txId)) return undefined
    // The oldest place wins: database, then what is on its way there, then what waits.
    const value = this.#store.get(txKey(txId))
    if (value?.length === 12) {
      const bytes = Buffer.from(value)
      return { block: bytes.readBigUInt64BE(), index: bytes.readUInt32BE(8) }
    }
    return this.#committing?.txs.get(txId) ?? this.#waiting.txs.get(txId)
  }

  /**
   * Starts a commit when enough has gathered, and waits for it only when too much has.
   *
   * @throws LedgerError what the store's commit rejected with, when too much waits behind it
   */
  async flushIfDue(): Promise<void> {
    const waiting = sizeOf(this.#waiting)
    if (waiting >= maxUnindexedKeys) return this.#flush()
    if (waiting < flushKeys || this.#flushing !== undefined) return
    // Nothing is lost: what was not committed waits in memory, and the next flush takes it along.
    this.#flush().catch((error: unknown) => this.#logger?.error('index commit failed', {}, error))
  }

  /** Commits all that waits and closes the store. @throws LedgerError as its `commit` */
  async close(): Promise<void> {
    try {
      await this.#flushing?.catch(() => undefined)
      await this.#flush()
    } finally {
      await this.#store.close()
    }
  }

  /** Commits what waits, or joins the commit that runs. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#commit().finally(() => (this.#flushing = undefined))
    return this.#flushing
  }

  async #commit(): Promise<void> {
    const batch = this.#waiting
    if (sizeOf(batch) === 0) return
    this.#committing = batch
    this.#waiting = newBatch()
    try {
      await this.#store.commit(changesOf(batch, this.#next, this.#identity))
    } catch (error) {
      // Older entries go first, so that an id which is in both keeps its first place.
      for (const [number, position] of this.#waiting.blocks) batch.blocks.set(number, position)
      for (const [txId, at] of this.#waiting.txs) if (!batch.txs.has(txId)) batch.txs.set(txId, at)
      this.#waiting = batch
      throw error
    } finally {
      this.#committing = undefined
    }
  }
}

function changesOf(batch: Batch, height: bigint, identity: Uint8Array): KeyChange[] {
  const changes: KeyChange[] = []
  for (const [number, { offset, length }] of batch.blocks) {
    const value = Buffer.alloc(10)
    value.writeUIntBE(offset, 0, 6)
    value.writeUInt32BE(length, 6)
    changes.push({ key: blockKey(number), value })
  }
  for (const [txId, { block, index }] of batch.txs) {
    const value = Buffer.alloc(12)
    value.writeBigUInt64BE(block)
    value.writeUInt32BE(index, 8)
    changes.push({ key: txKey(txId), value, ifAbsent: true })
  }
  const meta = Buffer.alloc(16)
  meta.writeBigUInt64BE(height)
  meta.set(identity, 8)
  changes.push({ key: metaKey, value: meta })
  return changes
}

const metaKey = Buffer.from('m')

function blockKey(number: bigint): Buffer {
  const key = Buffer.alloc(9)
  key.write('b')
  key.writeBigUInt64BE(number, 1)
  return key
}

const txKey = (txId: string): Buffer => Buffer.concat([Buffer.from('t'), packTxId(txId)])
