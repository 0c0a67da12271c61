import { constants } from 'node:os'
import { CodedError } from '@heddle/interface'

/** Every code of a {@link LedgerError}. The README says when each comes and whether to retry. */
export type LedgerErrorCode =
  | 'LEDGER_INVALID_OPTIONS'
  | 'LEDGER_LOCKED'
  | 'LEDGER_CLOSED'
  | 'LEDGER_CORRUPT'
  | 'LEDGER_DISK_FULL'
  | 'LEDGER_IO'
  | 'LEDGER_FAILED'
  | 'LEDGER_BUSY'
  | 'LEDGER_TOO_LARGE'
  | 'LEDGER_BAD_BLOCK'
  | 'LEDGER_BAD_KEY'
  | 'LEDGER_GAP'
  | 'LEDGER_DUPLICATE'
  | 'LEDGER_WRONG_PREVIOUS_HASH'
  | 'LEDGER_OUT_OF_ORDER'

/** Where something went wrong; what is unknown or does not apply is absent. */
export interface LedgerErrorDetail {
  /** Path of the file. */
  readonly file?: string
  /** Byte offset in the file. */
  readonly offset?: number
  /** Number of the block (or, in a journal, of the record). */
  readonly block?: bigint
  /** Process that holds the lock. */
  readonly pid?: number
}

/**
 * The one error class of this package; match on `code` with `isCodedError`. Its fields are those of
 * {@link LedgerErrorDetail}.
 */
export class LedgerError extends CodedError<LedgerErrorCode> {
  readonly file: string | undefined
  readonly offset: number | undefined
  readonly block: bigint | undefined
  readonly pid: number | undefined

  constructor(
    code: LedgerErrorCode,
    message: string,
    options: LedgerErrorDetail & ErrorOptions = {},
  ) {
    super(code, message, 'cause' in options ? { cause: options.cause } : undefined)
    this.file = options.file
    this.offset = options.offset
    this.block = options.block
    this.pid = options.pid
  }
}

/** Damage, and what to do about it. An older copy lacks what was acknowledged, or said, since then. */
export function corrupt(what: string, detail: LedgerErrorDetail & ErrorOptions): LedgerError {
  const cure =
    'Nothing was changed; move the directory away: blocks are fetched again from others. ' +
    'Put no older copy in its place'
  return new LedgerError('LEDGER_CORRUPT', `${what}. ${cure}`, detail)
}

/** What the operating system says when there is no room: disk, quota, or largest file size. */
const fullCodes = new Set<unknown>(['ENOSPC', 'EDQUOT', 'EFBIG'])
for (const name of ['ENOSPC', 'EDQUOT', 'EFBIG'] as const) fullCodes.add(constants.errno[name])
// lmdb gives numbers: those of the operating system, and its own MDB_MAP_FULL.
fullCodes.add(-30792)

/**
 * Wraps what the operating system reported, once, at the edge: `LEDGER_DISK_FULL` when there is no
 * room, `LEDGER_IO` for all else. A {@link LedgerError} is returned as it is.
 */
export function toLedgerError(error: unknown, doing: string, file: string): LedgerError {
  if (error instanceof LedgerError) return error
  const code = (error as { readonly code?: string | number } | undefined)?.code
  if (code !== undefined && fullCodes.has(code)) {
    const message = `no room (${code}) to ${doing} ${file}: free some space; nothing of it was acknowledged`
    return new LedgerError('LEDGER_DISK_FULL', message, { file, cause: error })
  }
  const reason = error instanceof Error ? error.message : String(error)
  const message = `cannot ${doing} ${file}: ${reason}`
  return new LedgerError('LEDGER_IO', message, { file, cause: error })
}
