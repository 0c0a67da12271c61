import type { AbortOptions } from '@heddle/interface'

/** The header of a stored block, and its hash: what the next block's `previous_hash` must be. */
export interface LedgerHeader {
  readonly number: bigint
  readonly previousHash: Uint8Array
  readonly dataHash: Uint8Array
  /** SHA-256 of the header's ASN.1 DER form, 32 bytes. */
  readonly hash: Uint8Array
}

/** A block to append, and the ids under which its transactions are found again. */
export interface BlockRecord {
  /** An encoded `common.Block`, stored as it is. Do not change it before `append` settles. */
  readonly block: Uint8Array
  /** One for each transaction, in order; an empty string is not indexed. At most 1,024 bytes each. */
  readonly txIds: readonly string[]
  /**
   * Stored with the block, both or neither, and given back by `lastNote`: on this disk alone, it is no
   * part of the block. At most 64 bytes.
   */
  readonly note?: Uint8Array | undefined
}

/** Where a transaction is: the number of its block, and its place there, from 0. */
export interface TxLocation {
  readonly block: bigint
  readonly index: number
}

/** The blocks of one channel, on a disk, in order, without gaps. */
export interface BlockStore {
  /** Number of blocks, and of the next one: 0 when empty. Counts durable blocks only. */
  readonly height: bigint
  /** The header of the last durable block; absent when empty. */
  readonly lastHeader: LedgerHeader | undefined
  /** A copy of the note of the last durable block; absent when it has none. */
  readonly lastNote: Uint8Array | undefined
  /**
   * Appends a block; resolves when it is durable and `txLocation` finds it. Calls may overlap, in
   * the order of their numbers: they share one sync. When one rejects, so do all that follow it.
   *
   * @throws LedgerError LEDGER_GAP, LEDGER_DUPLICATE, LEDGER_WRONG_PREVIOUS_HASH, LEDGER_BAD_BLOCK,
   * LEDGER_TOO_LARGE, LEDGER_BUSY, LEDGER_DISK_FULL, LEDGER_IO, LEDGER_FAILED, LEDGER_CLOSED
   */
  append(record: BlockRecord): Promise<void>
  /**
   * The bytes of block `number`, checked against their checksum; absent at and above the height.
   *
   * @throws LedgerError LEDGER_CORRUPT, LEDGER_IO, LEDGER_CLOSED
   */
  block(number: bigint): Promise<Uint8Array | undefined>
  /** The block that holds the transaction; absent when no durable block does. */
  blockByTxId(txId: string): Promise<Uint8Array | undefined>
  /** Where the transaction was stored first; absent when no durable block holds it. No I/O wait. */
  txLocation(txId: string): TxLocation | undefined
  /**
   * Blocks from number `from` on, waiting for those to come, until the consumer stops (`break`),
   * `signal` aborts (rejects with its reason) or the ledger closes (rejects LEDGER_CLOSED).
   * Holds at most one block at a time.
   */
  follow(from: bigint, options?: AbortOptions): AsyncIterable<Uint8Array>
}

/** One change of the state: a new value, or no value to remove the key. */
export interface StateWrite {
  /** 1 to 64 bytes in UTF-8, without NUL and half surrogate pairs; else LEDGER_BAD_KEY. */
  readonly namespace: string
  /** 1 to 1,024 bytes in UTF-8, without half surrogate pairs; else LEDGER_BAD_KEY. */
  readonly key: string
  /** Absent: removes the key. At most 64 MiB, else LEDGER_TOO_LARGE. */
  readonly value: Uint8Array | undefined
}

/** A key of a namespace with its value. */
export interface StateEntry {
  readonly key: string
  readonly value: Uint8Array
}

/** How far the state has come. */
export interface Savepoint {
  /** Number of blocks applied; the next to apply is the block of this number. */
  readonly height: bigint
  /** Last sequence of the consensus that was applied. */
  readonly sequence: bigint
  /** Digest over all writes of all blocks so far, see `nextStateDigest`. 32 bytes. */
  readonly digest: Uint8Array
}

/** All that a state holds, in one digest. */
export interface StateContent {
  /** What the digest is of. */
  readonly savepoint: Savepoint
  /** 32 bytes. */
  readonly digest: Uint8Array
}

/** Bounds of {@link StateStore.entries}. */
export interface EntriesOptions {
  /** First key to return, or the next one there is; default: the first of the namespace. */
  readonly from?: string
  /** Most entries to return, 1 or more; default 1,000. */
  readonly limit?: number
  /** No more entries once their values have so many bytes, 1 or more; the first always. Default: no limit. */
  readonly maxBytes?: number
}

/**
 * The current value of every key. It may lag behind the block file after a crash, never run ahead:
 * after opening, apply the blocks from `savepoint.height` on again.
 */
export interface StateStore {
  /** Of the last change that was applied in full. */
  readonly savepoint: Savepoint
  /** The value of `key`, a copy; absent when there is none. Sees applied changes only. */
  get(namespace: string, key: string): Uint8Array | undefined
  /** Entries in the order of the keys' UTF-8 bytes. @throws LedgerError when the state cannot be stored */
  entries(namespace: string, options?: EntriesOptions): StateEntry[]
  /**
   * Applies the writes of one block and moves the savepoint, both or neither; visible at once. A
   * crash may undo the last changes, in whole blocks: their blocks are there to apply them again.
   *
   * `height` is the number of blocks applied after it: one more than the savepoint's; or the same
   * with no writes and a greater sequence, for an empty batch that made no block.
   *
   * @param digest - what `nextStateDigest` gives for these writes of a block, from whoever had to
   * compute it before; computed here when it is absent
   * @throws LedgerError LEDGER_OUT_OF_ORDER (wrong height or sequence, or above the block file),
   * LEDGER_BAD_KEY, LEDGER_TOO_LARGE, LEDGER_CLOSED; LEDGER_DISK_FULL or LEDGER_IO when too much could not be stored
   */
  apply(
    height: bigint,
    sequence: bigint,
    writes: readonly StateWrite[],
    digest?: Uint8Array,
  ): Promise<void>
  /**
   * SHA-256 over every entry in order: equal for equal content, whatever led to it. Computed little by
   * little, once for all who ask meanwhile; so the state may have moved on from what it is of.
   *
   * @throws LedgerError LEDGER_CLOSED, LEDGER_CORRUPT, or when the state cannot be stored
   */
  contentDigest(): Promise<StateContent>
}

/** A block store with the state that its blocks lead to, in one directory. */
export interface Ledger extends BlockStore, AsyncDisposable {
  readonly state: StateStore
  /**
   * Paths of block files that were removed, moved or replaced since it was opened, the earliest first:
   * what it still reads and writes of them is lost when it is closed. The index and the state are made
   * again from the blocks, so theirs are not looked at.
   *
   * @throws LedgerError LEDGER_IO when the directory cannot be read, LEDGER_CLOSED
   */
  missingFiles(): Promise<string[]>
  /** Finishes what was appended, syncs and releases the directory. Twice is harmless. */
  close(): Promise<void>
}

/**
 * Records that must survive a crash, in order: what a replica promised. Fits the port `Journal` of
 * `@heddle/pbft` as it is.
 */
export interface Journal extends AsyncDisposable {
  /**
   * Appends the records; resolves when they are durable. After a crash either all records of a call
   * are there or none. Calls may overlap; they share one sync.
   *
   * @throws LedgerError LEDGER_TOO_LARGE, LEDGER_BUSY, LEDGER_DISK_FULL, LEDGER_IO, LEDGER_FAILED,
   * LEDGER_CLOSED
   */
  append(records: readonly Uint8Array[]): Promise<void>
  /** All records, oldest first, each a copy. */
  records(): Promise<Uint8Array[]>
  /**
   * Replaces all records appended before this call by `records`, at once: after a crash it is the
   * old or the new content. Appends called later come after them.
   */
  rewrite(records: readonly Uint8Array[]): Promise<void>
  /**
   * The path of its file when that was removed, moved or replaced since it was opened: what it holds is
   * lost when it is closed. The next `rewrite` puts a file there again. @throws LedgerError LEDGER_CLOSED
   */
  missingFiles(): Promise<string[]>
  /** Whether the last {@link missingFiles} named its file, and it was not rewritten since. */
  readonly isLost: boolean
  /** Finishes what was appended and releases the directory. Twice is harmless. */
  close(): Promise<void>
}
