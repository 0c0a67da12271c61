import { CodedError } from '@heddle/interface'

/** Bytes are not an encoding of the message that they should be. Never worth a retry. */
export class ProtoMalformedError extends CodedError<'PROTO_MALFORMED'> {
  /** Full name of the message, such as `common.Envelope`. */
  readonly type: string

  constructor(type: string, options?: ErrorOptions) {
    super('PROTO_MALFORMED', `not an encoding of ${type}: ${reasonOf(options?.cause)}`, options)
    this.type = type
  }
}

/** A message holds a value that its field cannot carry: the caller's mistake. */
export class ProtoInvalidMessageError extends CodedError<'PROTO_INVALID_MESSAGE'> {
  /** Full name of the message, such as `common.Envelope`. */
  readonly type: string

  constructor(type: string, options?: ErrorOptions) {
    super('PROTO_INVALID_MESSAGE', `cannot encode ${type}: ${reasonOf(options?.cause)}`, options)
    this.type = type
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'no reason given'
}
