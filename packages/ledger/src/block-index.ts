import type { Logger } from '@heddle/interface'
import { IndexRound, blockKey, blockPositionIn, metaKey, txLocationIn } from './index-round.ts'
import type { Gathered } from './index-round.ts'
import type { TxLocation } from './ports.ts'
import type { RecordPosition } from './record-scan.ts'
import type { KeyValueStore } from './storage.ts'
import { isTxId, packTxId } from './tx-id.ts'

/** Keys that gather before a round takes them: the more at once, the less work is each. */
export const roundKeys = 4_096
/** As many keys more than were added since are in each commit of a round: so rounds end. */
export const commitMargin = 64
/** Keys that may wait in memory while commits fail; with more, appends are refused. */
export const maxUnindexedKeys = 65_536

/**
 * Finds blocks and transactions in the block files. The files are the truth: the index only holds
 * what was synced there, runs behind by some blocks in the database (by none for lookups, which see
 * what still waits in memory), and is made again from the files when it is missing.
 */
export class BlockIndex {
  readonly #store: KeyValueStore
  readonly #identity: Uint8Array
  readonly #logger: Logger | undefined
  /** What gathers for the next round. */
  #gathered: Gathered = { blocks: new Map(), txs: new Map() }
  /** What is being committed. */
  #round: IndexRound | undefined
  #next: bigint
  /** Keys added since the last look at what waits. */
  #added = 0
  /** After a commit that failed: as many keys must wait before the next. */
  #due = 0

  /** Takes an open store; one that belongs to other files (`identity`, 8 bytes) is emptied. */
  constructor(store: KeyValueStore, identity: Uint8Array, logger?: Logger) {
    this.#store = store
    this.#identity = identity
    this.#logger = logger
    const meta = Buffer.from(store.get(metaKey) ?? [])
    const isOurs = meta.length === 16 && meta.subarray(8).equals(identity)
    if (!isOurs) store.clear()
    this.#next = isOurs ? meta.readBigUInt64BE() : 0n
  }

  /** Number of blocks indexed; the next to add. */
  get height(): bigint {
    return this.#next
  }

  /**
   * Adds a synced block; those of the index's height only, in order.
   *
   * @param packed - the ids, packed; kept until they are committed
   */
  add(position: RecordPosition, txIds: readonly string[], packed: readonly Buffer[]): void {
    const { blocks, txs } = this.#gathered
    const before = blocks.size + txs.size
    const block = position.sequence
    blocks.set(block, position)
    for (const [index, txId] of txIds.entries()) {
      const key = packed[index]
      if (key && key.length > 0 && !txs.has(txId)) txs.set(txId, { block, index, key })
    }
    this.#next = block + 1n
    this.#added += blocks.size + txs.size - before
  }

  /** Where a block's record is; absent when it is not indexed. */
  block(number: bigint): RecordPosition | undefined {
    const waiting = this.#gathered.blocks.get(number) ?? this.#round?.taken.blocks.get(number)
    return waiting ?? blockPositionIn(number, this.#store.get(blockKey(number)))
  }

  /** Where a transaction was stored first. */
  transaction(txId: string): TxLocation | undefined {
    if (!isTxId(txId)) return undefined
    // What waits is younger than what is in the database.
    const stored = txLocationIn(this.#store.get(packTxId(txId)))
    if (stored !== undefined) return stored
    const waiting = this.#round?.taken.txs.get(txId) ?? this.#gathered.txs.get(txId)
    return waiting && { block: waiting.block, index: waiting.index }
  }

  /**
   * Commits a little, if so much waits that it is worth it: about as much as was added since. A
   * commit that fails loses nothing: all goes on waiting in memory, and the next attempt comes when
   * `roundKeys` more have gathered.
   */
  flushSome(): void {
    const { blocks, txs } = this.#gathered
    const waiting = this.#waiting
    const keys = this.#added + commitMargin
    this.#added = 0
    if (waiting < this.#due || (!this.#round && blocks.size + txs.size < roundKeys)) return
    try {
      this.#commit(keys)
      this.#due = 0
    } catch (error) {
      this.#due = waiting + roundKeys
      this.#logger?.error('index commit failed', { waiting }, error)
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
    while (this.#waiting > 0) this.#commit(Number.POSITIVE_INFINITY)
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
    const { blocks, txs } = this.#gathered
    return blocks.size + txs.size + (this.#round?.size ?? 0)
  }

  /** Commits so many keys of the round under way, or of one that takes all that has gathered. */
  #commit(keys: number): void {
    if (this.#round === undefined) {
      this.#round = new IndexRound(this.#gathered, this.#next, this.#identity)
      this.#gathered = { blocks: new Map(), txs: new Map() }
    }
    this.#round.commit(this.#store, keys)
    if (this.#round.size === 0) this.#round = undefined
  }
}
