import { CodedError } from '@heddle/interface'
import { shown } from '@heddle/msp'
import { common } from '@heddle/proto'

/** Why a block was refused; the README says when each appears. */
export type BlockErrorCode =
  | 'DELIVER_BLOCK_MALFORMED'
  | 'DELIVER_BLOCK_NUMBER'
  | 'DELIVER_PREVIOUS_HASH'
  | 'DELIVER_BLOCK_METADATA'
  | 'DELIVER_LAST_CONFIG'
  | 'DELIVER_TRANSACTIONS'
  | 'DELIVER_DATA_HASH'
  | 'DELIVER_SIGNATURES'
  | 'DELIVER_CONFIG'
  | 'DELIVER_GENESIS'
  | 'DELIVER_BLOCK_REFUSED'

/** A block that is not what the channel's next block must be: its sender errs or lies. */
export class BlockError extends CodedError<BlockErrorCode> {}

/** Codes of failures of an endpoint or of the caller. */
export type DeliverErrorCode =
  | 'DELIVER_UNREACHABLE'
  | 'DELIVER_STREAM_FAILED'
  | 'DELIVER_STALLED'
  | 'DELIVER_TOO_SLOW'
  | 'DELIVER_UNEXPECTED'
  | 'DELIVER_SINK_FAILED'
  | 'DELIVER_LEDGER_FAILED'
  | 'DELIVER_NO_ENDPOINTS'
  | 'DELIVER_INVALID_OPTIONS'
  | 'DELIVER_STOPPED'
  | 'DELIVER_QUEUE_FULL'
  | 'DELIVER_INVALID_ENVELOPE'
  | 'DELIVER_SIGNER_NOT_VALID'

/** A failure that is not about a block's content. */
export class DeliverError extends CodedError<DeliverErrorCode> {
  /** The endpoint it is about, if it is about one. */
  readonly endpoint: string | undefined

  constructor(
    code: DeliverErrorCode,
    message: string,
    options: ErrorOptions & { readonly endpoint?: string | undefined } = {},
  ) {
    super(code, message, options)
    this.endpoint = options.endpoint
  }
}

/** A service answered with a status that ends the request. */
export class StatusError extends CodedError<'DELIVER_STATUS'> {
  readonly status: common.Status
  /** What it said about it, for people; often empty. The message shows its beginning. */
  readonly info: string
  /** `host:port` of the service. */
  readonly endpoint: string

  constructor(status: common.Status, info: string, endpoint: string) {
    const name = (common.Status as Record<number, string | undefined>)[status] ?? String(status)
    super('DELIVER_STATUS', `${endpoint} answered ${name}${info === '' ? '' : `: ${shown(info)}`}`)
    this.status = status
    this.info = info
    this.endpoint = endpoint
  }
}
