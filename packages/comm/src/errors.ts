import { CodedError } from '@heddle/interface'

/** Refusals of a handshake, each for a different reason. None is worth retrying at once. */
export type HandshakeErrorCode =
  | 'COMM_NO_TLS_CERTIFICATE'
  | 'COMM_HANDSHAKE_TIMEOUT'
  | 'COMM_REFUSED_BY_PEER'
  | 'COMM_MALFORMED_MESSAGE'
  | 'COMM_WRONG_MESSAGE_TYPE'
  | 'COMM_NO_PKI_ID'
  | 'COMM_IDENTITY_REFUSED'
  | 'COMM_TLS_BINDING_MISMATCH'
  | 'COMM_BAD_SIGNATURE'
  | 'COMM_UNEXPECTED_PROBE'
  | 'COMM_UNEXPECTED_PEER'
  | 'COMM_TOO_MANY_CONNECTIONS'
  | 'COMM_BARRED'

/** Every code of this package; the README says when each occurs and whether to retry. */
export type CommErrorCode =
  | HandshakeErrorCode
  | 'COMM_INVALID_OPTIONS'
  | 'COMM_INVALID_ENDPOINT'
  | 'COMM_LISTEN_FAILED'
  | 'COMM_UNREACHABLE'
  | 'COMM_CLOSED'
  | 'COMM_STOPPED'
  | 'COMM_QUEUE_FULL'
  | 'COMM_MESSAGE_TOO_LARGE'
  | 'COMM_NOT_ACKNOWLEDGED'

/** What goes wrong in `@heddle/comm`; the code tells what. */
export class CommError extends CodedError<CommErrorCode> {}

/** The text of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
