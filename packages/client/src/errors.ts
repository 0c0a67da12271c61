import { CodedError } from '@heddle/interface'

/** The conditions under which this package refuses or gives up. Stable under semver. */
export type ClientErrorCode =
  | 'CLIENT_INVALID_OPTIONS'
  | 'CLIENT_NO_NETWORK'
  | 'CLIENT_INVALID_DESCRIPTOR'
  | 'CLIENT_WRONG_CERTIFICATE'
  | 'CLIENT_WRONG_CLOCK'
  | 'CLIENT_UNAVAILABLE'
  | 'CLIENT_FORBIDDEN'
  | 'CLIENT_NO_AGREEMENT'
  | 'CLIENT_BLOCK_ALTERED'
  | 'CLIENT_UNKNOWN_RULES'
  | 'CLIENT_TOO_FEW_ANSWERS'
  | 'CLIENT_REFUSED'
  | 'CLIENT_OUTCOME_UNKNOWN'
  | 'CLIENT_BUSY'
  | 'CLIENT_CLOSED'

/** An error of this package: `message` says what happened, where and why; match by `code`. */
export class ClientError<Code extends ClientErrorCode = ClientErrorCode> extends CodedError<Code> {}
