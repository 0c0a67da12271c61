import { CodedError } from '@heddle/interface'

export { messageOf } from '@heddle/interface'

/** The conditions under which this package refuses or gives up. Stable under semver. */
export type PeerErrorCode =
  | 'PEER_INVALID_CONFIG'
  | 'PEER_FILE_MISSING'
  | 'PEER_PORT_BUSY'
  | 'PEER_WRONG_CERTIFICATE'
  | 'PEER_WRONG_FOLDER'
  | 'PEER_LEDGER_FAILED'
  | 'PEER_UNKNOWN_RULES'
  | 'PEER_STATE_DIVERGED'
  | 'PEER_STOPPED'
  | 'PEER_INVALID_ENVELOPE'
  | 'PEER_FORBIDDEN'
  | 'PEER_DUPLICATE_TRANSACTION'
  | 'PEER_BAD_LINE'
  | 'PEER_NETWORK_RUNNING'
  | 'PEER_NETWORK_NOT_RUNNING'
  | 'PEER_NETWORK_UNAVAILABLE'
  | 'PEER_PROOF_FAILED'
  | 'PEER_STATE_TRANSFER_FAILED'
  | 'PEER_INVALID_OPTION'
  | 'PEER_NO_ACCESS'
  | 'PEER_DISK_FULL'
  | 'PEER_SYSTEM_LIMIT'
  | 'PEER_VALIDATOR_GAVE_UP'

/**
 * An error of this package. `message` says what happened and where; {@link PeerError.cure} says what
 * a person can do about it and is printed on a line of its own.
 */
export class PeerError<Code extends PeerErrorCode = PeerErrorCode> extends CodedError<Code> {
  /** What a person can do about it; undefined when nothing helps but the message. */
  readonly cure: string | undefined

  constructor(code: Code, message: string, options?: ErrorOptions & { readonly cure?: string }) {
    super(code, message, options)
    this.cure = options?.cure
  }
}

/** The process of a validator ended by itself: there is no use in starting it again. */
export class GaveUp extends PeerError<'PEER_VALIDATOR_GAVE_UP'> {
  /** Its exit status; null when a signal ended it, or when it could not be started. */
  readonly status: number | null

  constructor(status: number | null, message: string) {
    super('PEER_VALIDATOR_GAVE_UP', message)
    this.status = status
  }
}

/** Node's `code` of a system error (`ENOENT`, `EADDRINUSE`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
