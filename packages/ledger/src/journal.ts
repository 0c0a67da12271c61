import { join } from 'node:path'
import type { Logger, Metrics } from '@heddle/interface'
import { BootMarker } from './boot-marker.ts'
import { diskStorage } from './disk-storage.ts'
import { toLedgerError } from './errors.ts'
import { FileJournal } from './file-journal.ts'
import { numberOption, refuseUnknown } from './options.ts'
import type { Journal } from './ports.ts'
import type { Storage } from './storage.ts'

/** What a journal works with. */
export interface JournalDeps {
  /** Directory of this journal alone; made when it is not there. */
  readonly dir: string
  /** Default: files of the operating system. */
  readonly storage?: Storage
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** Bounds of a journal. */
export interface JournalOptions {
  /** Most bytes of the records of one `append`; default 128 MiB, 1 KiB to 512 MiB. */
  readonly maxRecordBytes?: number
  /** Most bytes of the file: beyond it `append` refuses; default 1 GiB, 1 KiB to 16 GiB. */
  readonly maxJournalBytes?: number
  /** Most bytes of appends that wait for the disk; default 256 MiB, 1 KiB to 4 GiB. */
  readonly maxPendingBytes?: number
}

const KiB = 1_024
const MiB = 1_024 * KiB

const known: Readonly<Record<keyof JournalOptions, true>> = {
  ...{ maxRecordBytes: true, maxJournalBytes: true, maxPendingBytes: true },
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
  refuseUnknown(options, known)
  const { maxRecordBytes, maxJournalBytes, maxPendingBytes } = options
  const bounds = {
    maxRecordBytes: numberOption('maxRecordBytes', maxRecordBytes, 128 * MiB, [KiB, 512 * MiB]),
    maxJournalBytes: numberOption('maxJournalBytes', maxJournalBytes, 1_024 * MiB, [
      KiB,
      16_384 * MiB,
    ]),
    maxPendingBytes: numberOption('maxPendingBytes', maxPendingBytes, 256 * MiB, [
      KiB,
      4_096 * MiB,
    ]),
  }
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
