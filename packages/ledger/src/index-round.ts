import type { TxLocation } from './ports.ts'
import type { RecordPosition } from './record-scan.ts'
import type { KeyChange, KeyValueStore } from './storage.ts'

/*
 * Keys of the index: `b` and a number u64 → offset u48, length u32; `m` → height u64 and the identity
 * of the block files; a packed id, which begins with `s` or `x` → block u64, index u32.
 */

/** Where a transaction is, and its key. */
export interface GatheredTx extends TxLocation {
  readonly key: Buffer
}

/** Synced blocks and the transactions in them: where each is. */
export interface Gathered {
  readonly blocks: Map<bigint, RecordPosition>
  /** By their ids. */
  readonly txs: Map<string, GatheredTx>
}

/**
 * What a block index commits piece by piece, in the order of the keys: neighbours stand on
 * the same pages of the database, so that a piece costs a key no more than the whole would.
 *
 * The blocks and the height come with the last piece. After a crash before it the index is behind, and
 * the same transactions are indexed again from the block files, to the same effect.
 */
export class IndexRound {
  readonly taken: Gathered
  readonly #height: bigint
  readonly #identity: Uint8Array
  readonly #txIds: readonly string[]
  #done = 0
  #size: number

  /** @param height - of the index once all is committed */
  constructor(taken: Gathered, height: bigint, identity: Uint8Array) {
    this.taken = taken
    this.#height = height
    this.#identity = identity
    // The order of the ids is that of the keys, but for ids that are no hex, and much sooner found.
    this.#txIds = [...taken.txs.keys()].sort()
    this.#size = taken.blocks.size + taken.txs.size
  }

  /** Keys not yet committed; 0 when the round is over. */
  get size(): number {
    return this.#size
  }

  /** Commits `keys` transactions more, or what is left. @throws LedgerError as the store's `commit` */
  commit(store: KeyValueStore, keys: number): void {
    const txIds = this.#txIds.slice(this.#done, this.#done + keys)
    const done = this.#done + txIds.length
    const changes = this.#transactions(txIds)
    const isLast = done === this.#txIds.length
    if (isLast) changes.push(...this.#blocks())
    store.commit(changes)
    this.#done = done
    this.#size = isLast ? 0 : this.#size - txIds.length
  }

  #transactions(txIds: readonly string[]): KeyChange[] {
    // The values in one piece of memory; so many of them are made that it counts.
    const values = Buffer.allocUnsafe(12 * txIds.length)
    const changes: KeyChange[] = []
    for (const [at, txId] of txIds.entries()) {
      const tx = this.taken.txs.get(txId)
      if (tx === undefined) continue
      const value = values.subarray(12 * at, 12 * at + 12)
      value.writeBigUInt64BE(tx.block)
      value.writeUInt32BE(tx.index, 8)
      // Whoever was first stays.
      changes.push({ key: tx.key, value, ifAbsent: true })
    }
    return changes
  }

  #blocks(): KeyChange[] {
    const changes: KeyChange[] = []
    for (const [number, { offset, length }] of this.taken.blocks) {
      const value = Buffer.allocUnsafe(10)
      value.writeUIntBE(offset, 0, 6)
      value.writeUInt32BE(length, 6)
      changes.push({ key: blockKey(number), value })
    }
    const meta = Buffer.alloc(16)
    meta.writeBigUInt64BE(this.#height)
    meta.set(this.#identity, 8)
    changes.push({ key: metaKey, value: meta })
    return changes
  }
}

/** Of the height and the identity of the files. */
export const metaKey = Buffer.from('m')

/** Of a block. */
export function blockKey(number: bigint): Buffer {
  const key = Buffer.allocUnsafe(9)
  key.write('b')
  key.writeBigUInt64BE(number, 1)
  return key
}

/** What is stored of a block, if it is. */
export function blockPositionIn(
  sequence: bigint,
  value: Uint8Array | undefined,
): RecordPosition | undefined {
  if (value?.length !== 10) return undefined
  const bytes = Buffer.from(value)
  return { sequence, offset: bytes.readUIntBE(0, 6), length: bytes.readUInt32BE(6) }
}

/** What is stored of a transaction, if it is. */
export function txLocationIn(value: Uint8Array | undefined): TxLocation | undefined {
  if (value?.length !== 12) return undefined
  const bytes = Buffer.from(value)
  return { block: bytes.readBigUInt64BE(), index: bytes.readUInt32BE(8) }
}
