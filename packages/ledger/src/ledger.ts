import { join } from 'node:path'
import { systemClock } from '@heddle/events'
import type { Clock, Logger, Metrics } from '@heddle/interface'
import { BlockFiles } from './blocks/block-files.ts'
import { BlockIndex } from './index/block-index.ts'
import { diskStorage } from './storage/disk-storage.ts'
import { LedgerError, toLedgerError } from './errors.ts'
import { FileLedger } from './file-ledger.ts'
import { resolveLedgerOptions } from './ledger-options.ts'
import type { LedgerOptions, ResolvedLedgerOptions } from './ledger-options.ts'
import { ledgerMetrics } from './metrics.ts'
import type { Ledger } from './ports.ts'
import { OtherPlace, Recovery } from './recovery.ts'
import { KeyValueStateStore } from './state/state-store.ts'
import type { Storage } from './storage/storage.ts'

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
    logger?.warn('index belongs to other block files: rebuilt from the blocks', {
      dir,
      block: place.block,
    })
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
