import { join } from 'node:path'
import type { Clock, Logger, Metrics } from '@heddle/interface'
import { systemClock } from '@heddle/events'
import { BlockFiles } from './block-files.ts'
import { BlockIndex } from './block-index.ts'
import { checkSuccessor, decodeBlockRecord, headerOf } from './block-record.ts'
import { diskStorage } from './disk-storage.ts'
import { LedgerError, corrupt, toLedgerError } from './errors.ts'
import { FileLedger } from './file-ledger.ts'
import type { LastBlock } from './file-ledger.ts'
import { ledgerMetrics } from './metrics.ts'
import { numberOption, refuseUnknown } from './options.ts'
import type { Ledger, LedgerHeader } from './ports.ts'
import type { ScannedRecord } from './record-scan.ts'
import { KeyValueStateStore } from './state-store.ts'
import type { Storage } from './storage.ts'

/** What a ledger works with. */
export interface LedgerDeps {
  /** Directory of this ledger alone; made when it is not there. */
  readonly dir: string
  /** Value of the metrics' `channel` label; default empty. */
  readonly channelId?: string
  /** Default: files of the operating system and LMDB. */
  readonly storage?: Storage
  readonly clock?: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** Bounds of a ledger. */
export interface LedgerOptions {
  /** A new file is begun before one grows beyond this; default 64 MiB, 4 KiB to 1 GiB. */
  readonly maxSegmentBytes?: number
  /** Largest block with its transaction ids; default 128 MiB, 1 KiB to 512 MiB. */
  readonly maxRecordBytes?: number
  /** Most bytes of appends that wait for the disk; default 256 MiB, 1 KiB to 4 GiB. */
  readonly maxPendingBytes?: number
  /**
   * What opening reads: `all` checks every block (about a second for a gigabyte); `tail` only those
   * that the index does not know yet, so that damage in an older block shows when it is read.
   * Default `all`.
   */
  readonly verifyOnOpen?: 'all' | 'tail'
}

/** {@link LedgerOptions} with defaults filled in. */
export type ResolvedLedgerOptions = Required<LedgerOptions>

const KiB = 1_024
const MiB = 1_024 * KiB

const known: Readonly<Record<keyof LedgerOptions, true>> = {
  ...{ maxSegmentBytes: true, maxRecordBytes: true, maxPendingBytes: true, verifyOnOpen: true },
}

/** Fills in defaults. @throws LedgerError LEDGER_INVALID_OPTIONS */
function resolveLedgerOptions(options: LedgerOptions): ResolvedLedgerOptions {
  refuseUnknown(options, known)
  const { maxSegmentBytes, maxRecordBytes, maxPendingBytes, verifyOnOpen = 'all' } = options
  if (!['all', 'tail'].includes(verifyOnOpen)) {
    const message = `verifyOnOpen is ${verifyOnOpen}: it must be all or tail`
    throw new LedgerError('LEDGER_INVALID_OPTIONS', message)
  }
  return Object.freeze({
    maxSegmentBytes: numberOption('maxSegmentBytes', maxSegmentBytes, 64 * MiB, [
      4 * KiB,
      1_024 * MiB,
    ]),
    maxRecordBytes: numberOption('maxRecordBytes', maxRecordBytes, 128 * MiB, [KiB, 512 * MiB]),
    maxPendingBytes: numberOption('maxPendingBytes', maxPendingBytes, 256 * MiB, [
      KiB,
      4_096 * MiB,
    ]),
    verifyOnOpen,
  })
}

/**
 * Opens the ledger in `deps.dir`, repairing what a crash left behind: a torn tail is cut off, an
 * index that runs behind is brought up. Then apply the blocks from `state.savepoint.height` on to
 * the state.
 *
 * @throws LedgerError LEDGER_LOCKED, LEDGER_CORRUPT (nothing was overwritten), LEDGER_DISK_FULL,
 * LEDGER_IO, LEDGER_INVALID_OPTIONS
 */
export async function openLedger(deps: LedgerDeps, options: LedgerOptions = {}): Promise<Ledger> {
  const resolved = resolveLedgerOptions(options)
  const storage = deps.storage ?? diskStorage
  const { dir } = deps
  await storage.files.makeDirectory(dir).catch((error: unknown) => {
    throw toLedgerError(error, 'make the directory', dir)
  })
  // What was opened is closed again, the last first, when a later step fails.
  const opened: (() => Promise<void>)[] = []
  const lock = await storage.lock(dir)
  const release = (): Promise<void> => lock.release()
  opened.push(release)
  try {
    return await openParts({ ...deps, storage, release }, resolved, opened)
  } catch (error) {
    for (const close of opened.reverse()) await close().catch(() => undefined)
    throw error
  }
}

/** Opens state, index and files in turn; `opened` gets how to close each. */
async function openParts(
  deps: LedgerDeps & { readonly storage: Storage; readonly release: () => Promise<void> },
  options: ResolvedLedgerOptions,
  opened: (() => Promise<void>)[],
): Promise<Ledger> {
  const { dir, storage, release } = deps
  const clock = deps.clock ?? systemClock
  const logger = deps.logger?.child('ledger')
  const metrics = ledgerMetrics(deps.metrics, deps.channelId ?? '')
  const stateValues = await storage.openKeyValues(join(dir, 'state'), 'synced')
  if (stateValues.repaired !== undefined)
    logger?.warn('state damaged: rebuilt from the blocks', { dir, reason: stateValues.repaired })
  let height = (): bigint => 0n
  const state = new KeyValueStateStore({
    store: stateValues,
    blocks: () => height(),
    clock,
    metrics,
    logger,
  })
  opened.push(() => state.close())
  const applied = state.savepoint.height
  const identity = await BlockFiles.prepare(storage.files, dir, applied)
  const indexValues = await storage.openKeyValues(join(dir, 'index'), 'rebuildable')
  opened.push(() => indexValues.close())
  if (indexValues.repaired !== undefined)
    logger?.warn('index damaged: rebuilt from the blocks', { dir, reason: indexValues.repaired })
  const openFiles = async (): Promise<IndexedFiles> => {
    const index = new BlockIndex(indexValues, identity, logger)
    const recovery = new Recovery(index)
    const files = await BlockFiles.open({
      files: storage.files,
      dir,
      maxSegmentBytes: options.maxSegmentBytes,
      // Only blocks that were synced are indexed, and only those are applied.
      syncedBelow: index.height > applied ? index.height : applied,
      ...recovery.start(options.verifyOnOpen),
      visit: (record) => recovery.visit(record),
    })
    return { files, index, recovery }
  }
  const { files, index, recovery } = await openFiles().catch((error: unknown) => {
    const place = error instanceof LedgerError ? error.cause : undefined
    if (!(place instanceof OtherPlace)) throw error
    logger?.warn('index of other block files: rebuilt from the blocks', { dir, block: place.block })
    indexValues.clear()
    return openFiles()
  })
  // It closes the store when it has written what waits.
  opened.pop()
  opened.push(() => index.close())
  const parts = { files, index, state, clock, logger, metrics, release }
  const ledger = new FileLedger(parts, options, recovery.last)
  height = () => ledger.height
  logger?.info('ledger open', { dir, height: ledger.height, applied, indexed: recovery.indexed })
  metrics.height(ledger.height)
  return ledger
}

interface IndexedFiles {
  readonly files: BlockFiles
  readonly index: BlockIndex
  readonly recovery: Recovery
}

/** The index says that a block is elsewhere: somebody put other files in the place of its own. */
class OtherPlace extends Error {
  readonly block: bigint

  constructor(block: bigint) {
    super(`block ${block.toString()} is elsewhere`)
    this.block = block
  }
}

/** Checks the blocks that are read on opening, and indexes those that are not indexed yet. */
class Recovery {
  readonly #index: BlockIndex
  #last: LastBlock | undefined
  /** Blocks that were not in the index. */
  indexed = 0

  constructor(index: BlockIndex) {
    this.#index = index
  }

  get last(): LastBlock | undefined {
    return this.#last
  }

  /** Where the scan begins: with `tail`, at the last block of the index. */
  start(verify: 'all' | 'tail'): { readonly from?: NonNullable<ReturnType<BlockIndex['block']>> } {
    if (verify === 'all' || this.#index.height === 0n) return {}
    const from = this.#index.block(this.#index.height - 1n)
    return from === undefined ? {} : { from }
  }

  visit(record: ScannedRecord): void {
    const content = decodeBlockRecord(record.body)
    if (content === undefined) throw this.#corrupt(record, undefined)
    let header: LedgerHeader
    try {
      header = headerOf(content.block)
      // Nothing is known of what comes before the first one that is read.
      if (this.#last !== undefined || record.sequence === 0n)
        checkSuccessor(header, this.#last?.header)
    } catch (error) {
      throw this.#corrupt(record, error)
    }
    // The record's bytes are others' after this call.
    this.#last = { header, note: content.note && Uint8Array.from(content.note) }
    const { sequence, offset, length } = record
    if (sequence < this.#index.height) {
      const known = this.#index.block(sequence)
      if (known?.offset !== offset || known.length !== length) throw new OtherPlace(sequence)
      return
    }
    this.#index.add({ sequence, offset, length }, Buffer.from(content.txIds))
    this.indexed += 1
    this.#index.flushSome()
    this.#index.checkRoom()
  }

  #corrupt(record: ScannedRecord, cause: unknown): LedgerError {
    const { sequence: block, offset, path: file } = record
    const reason = cause instanceof Error ? cause.message : 'its record has another form'
    const what = `block ${block.toString()} in ${file} at offset ${offset} does not fit: ${reason}`
    return corrupt(what, { file, offset, block, cause })
  }
}
