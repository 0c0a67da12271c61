import { LedgerError } from './errors.ts'
import { numberOption, refuseUnknown } from './options.ts'

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
export function resolveLedgerOptions(options: LedgerOptions): ResolvedLedgerOptions {
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
