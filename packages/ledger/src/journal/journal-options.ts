import { numberOption, refuseUnknown } from '../options.ts'

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

/** Fills in defaults. @throws LedgerError LEDGER_INVALID_OPTIONS */
export function resolveJournalOptions(options: JournalOptions): Required<JournalOptions> {
  refuseUnknown(options, known)
  const { maxRecordBytes, maxJournalBytes, maxPendingBytes } = options
  return {
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
}
