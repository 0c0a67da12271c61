import type { Logger, Metrics } from '@heddle/interface'
import type { Journal } from './ports.ts'
import { LedgerError } from './errors.ts'

/** What a journal works with. */
export interface JournalDeps {
  /** Directory of this journal alone; made when it is not there. */
  readonly dir: string
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** Bounds of a journal. */
export interface JournalOptions {
  /** Most bytes of the records of one `append`; default 128 MiB, 1 KiB to 512 MiB. */
  readonly maxRecordBytes?: number
  /** Most bytes of the file before `append` refuses with LEDGER_TOO_LARGE; default 1 GiB. */
  readonly maxJournalBytes?: number
}

/** Opens the journal in `deps.dir`, repairing what a crash left behind. */
export async function openJournal(
  deps: JournalDeps,
  options: JournalOptions = {},
): Promise<Journal> {
  await Promise.resolve(options)
  throw new LedgerError('LEDGER_IO', `not there yet: ${deps.dir}`)
}
