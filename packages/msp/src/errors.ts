import { CodedError } from '@heddle/interface'

/** Every condition under which this package refuses something; the README says when and what to do. */
export type MspErrorCode =
  | 'MSP_MALFORMED_IDENTITY'
  | 'MSP_TRAILING_BYTES'
  | 'MSP_NON_CANONICAL_SIGNATURE'
  | 'MSP_UNSUPPORTED_CERTIFICATE'
  | 'MSP_UNKNOWN_MSP'
  | 'MSP_UNSUPPORTED_MSP'
  | 'MSP_UNKNOWN_AUTHORITY'
  | 'MSP_AMBIGUOUS_CHAIN'
  | 'MSP_INTERNAL_ISSUER'
  | 'MSP_CA_AS_IDENTITY'
  | 'MSP_REVOKED'
  | 'MSP_NO_ORGANIZATIONAL_UNIT'
  | 'MSP_WRONG_ORGANIZATIONAL_UNIT'
  | 'MSP_NO_ROLE'
  | 'MSP_SEVERAL_ROLES'
  | 'MSP_WRONG_CERTIFIER'
  | 'MSP_EXPIRED'
  | 'MSP_NOT_YET_VALID'
  | 'MSP_MALFORMED_SIGNATURE'
  | 'MSP_HIGH_S'
  | 'MSP_BAD_SIGNATURE'
  | 'MSP_INVALID_POLICY'
  | 'MSP_NO_POLICY'
  | 'MSP_POLICY_NOT_SATISFIED'
  | 'MSP_INVALID_CONFIG'
  | 'MSP_INVALID_FOLDER'
  | 'MSP_KEY_NOT_FOUND'
  | 'MSP_KEY_MISMATCH'
  | 'MSP_FOREIGN_MATERIAL'
  | 'MSP_INVALID_OPTIONS'
  | 'MSP_INVALID_TLS'

/** What this package throws. Match on `code`; none of the conditions goes away by trying again. */
export class MspError extends CodedError<MspErrorCode> {}

/** `error` with `prefix` before its message when it is an MspError, else as it is: for `throw`. */
export function prefixed(prefix: string, error: unknown): unknown {
  if (!(error instanceof MspError)) return error
  return new MspError(error.code, `${prefix}: ${error.message}`, { cause: error.cause })
}
