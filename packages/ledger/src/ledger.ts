import type { Clock, Logger, Metrics } from '@heddle/interface'
import type { Ledger } from './ports.ts'
import { LedgerError } from './errors.ts'

/** What a ledger works with. */
export interface LedgerDeps {
  /** Directory of this ledger alone; made when it is not there. */
  readonly dir: string
  /** Value of the metrics' `channel` label; default empty. */
  readonly channelId?: string
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
}

/** Opens the ledger in `deps.dir`, repairing what a crash left behind. */
export async function openLedger(deps: LedgerDeps, options: LedgerOptions = {}): Promise<Ledger> {
  await Promise.resolve(options)
  throw new LedgerError('LEDGER_IO', `not there yet: ${deps.dir}`)
}
