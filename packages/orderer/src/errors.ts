import { CodedError, isCodedError } from '@heddle/interface'
import { common } from '@heddle/proto'

/** The codes of this package's errors; the README says when each appears and whether to retry. */
export type OrdererErrorCode =
  | 'ORDERER_BAD_REQUEST'
  | 'ORDERER_FORBIDDEN'
  | 'ORDERER_NOT_FOUND'
  | 'ORDERER_TOO_LARGE'
  | 'ORDERER_NOT_IMPLEMENTED'
  | 'ORDERER_UNAVAILABLE'
  | 'ORDERER_INVALID_OPTIONS'
  | 'ORDERER_LISTEN_FAILED'
  | 'ORDERER_STOPPED'
  | 'ORDERER_TOO_MANY_BLOCKS'

/** An error of the ordering services. */
export class OrdererError extends CodedError<OrdererErrorCode> {}

/** The status that tells a client of each code; what is not in the table is our own failure. */
const statuses: Readonly<Partial<Record<string, common.Status>>> = {
  ORDERER_BAD_REQUEST: common.Status.BAD_REQUEST,
  ORDERER_FORBIDDEN: common.Status.FORBIDDEN,
  ORDERER_NOT_FOUND: common.Status.NOT_FOUND,
  ORDERER_TOO_LARGE: common.Status.REQUEST_ENTITY_TOO_LARGE,
  ORDERER_NOT_IMPLEMENTED: common.Status.NOT_IMPLEMENTED,
  ORDERER_UNAVAILABLE: common.Status.SERVICE_UNAVAILABLE,
  ORDERER_STOPPED: common.Status.SERVICE_UNAVAILABLE,
}

/**
 * The `common.Status` for an error.
 *
 * @param error - anything that was thrown or rejected with
 * @param table - statuses for the codes of other packages (`PBFT_POOL_FULL` and the like); it goes
 *   before the table of this package
 * @returns INTERNAL_SERVER_ERROR for whatever has no code or whose code nobody named
 */
export function statusOf(
  error: unknown,
  table: Readonly<Partial<Record<string, common.Status>>> = {},
): common.Status {
  if (!isCodedError(error)) return common.Status.INTERNAL_SERVER_ERROR
  return table[error.code] ?? statuses[error.code] ?? common.Status.INTERNAL_SERVER_ERROR
}

/** Whether a refusal is a matter of time, so that nobody needs to look at it: a busy or stopping chain. */
export function isPassing(status: common.Status): boolean {
  return status === common.Status.SERVICE_UNAVAILABLE
}
