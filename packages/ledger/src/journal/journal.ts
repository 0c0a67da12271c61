import { join } from 'node:path'
import type { Logger, Metrics } from '@heddle/interface'
import { BootMarker } from '../storage/boot-marker.ts'
import { diskStorage } from '../storage/disk-storage.ts'
import { toLedgerError } from '../errors.ts'
import { FileJournal } from './file-journal.ts'
import { resolveJournalOptions } from './journal-options.ts'
import type { JournalOptions } from './journal-options.ts'
import type { Journal } from '../ports.ts'
import type { Storage } from '../storage/storage.ts'

/** What a journal works with. */
export interface JournalDeps {
  /** Directory of this journal alone; made when it is not there. */
  readonly dir: string
  /** Default: files of the operating system. */
  readonly storage?: Storage
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/**
 * Opens the journal in `deps.dir`, cutting off what a crash left half written. Without a power loss
 * that is a record which ends too early: one that is all there and wrong is damage.
 *
 * @throws LedgerError LEDGER_LOCKED, LEDGER_CORRUPT (nothing was overwritten), LEDGER_DISK_FULL,
 * LEDGER_IO, LEDGER_INVALID_OPTIONS
 */
export async function openJournal(
  deps: JournalDeps,
  options: JournalOptions = {},
): Promise<Journal> {
  const bounds = resolveJournalOptions(options)
  const storage = deps.storage ?? diskStorage
  const { files } = storage
  const { dir } = deps
  await files.makeDirectory(dir).catch((error: unknown) => {
    throw toLedgerError(error, 'make the directory', dir)
  })
  const held = await storage.lock(dir)
  const release = (): Promise<void> => held.release()
  try {
    const path = join(dir, 'records.journal')
    const logger = deps.logger?.child('ledger.journal')
    const marker = new BootMarker(files, dir, await storage.boot?.())
    return await FileJournal.open(
      { files, dir, path, release, marker, logger, metrics: deps.metrics },
      bounds,
    )
  } catch (error) {
    await release()
    throw error
  }
}
