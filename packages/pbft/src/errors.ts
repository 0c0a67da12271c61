import { CodedError } from '@heddle/interface'

/** An option is unknown or out of its range, two do not fit each other, or a port lacks a method. The caller's mistake. */
export class InvalidOptionsError extends CodedError<'PBFT_INVALID_OPTIONS'> {
  constructor(message: string) {
    super('PBFT_INVALID_OPTIONS', message)
  }
}

/**
 * The request pool is at `maxPoolRequests` or `maxPoolBytes`, or the client has its share of it. Try
 * again when some were executed.
 */
export class PoolFullError extends CodedError<'PBFT_POOL_FULL'> {
  /** @param whose - the message names it */
  constructor(
    requests: number,
    bytes: number,
    whose: 'all clients' | 'this client' = 'all clients',
  ) {
    const pending = `${requests} requests (${bytes} bytes) of ${whose} are pending already`
    super('PBFT_POOL_FULL', `${pending}; try later`)
  }
}

/** Another replica has sent more that is no good than it may: its requests are not checked for a while. */
export class OverdrawnError extends CodedError<'PBFT_OVERDRAWN'> {
  constructor(replica: number) {
    super('PBFT_OVERDRAWN', `replica ${replica} has sent too much that is no good; not checked`)
  }
}

/**
 * As much as `maxJournalQueue` or `maxJournalQueueBytes` allows waits for the journal, which is slow or
 * hangs. The request was not taken: try again later, or at another replica.
 */
export class JournalBusyError extends CodedError<'PBFT_JOURNAL_BUSY'> {
  constructor() {
    super('PBFT_JOURNAL_BUSY', 'the journal does not keep up; try later, or at another replica')
  }
}

/** The request has more than `maxRequestBytes`. Not retryable. */
export class RequestTooLargeError extends CodedError<'PBFT_REQUEST_TOO_LARGE'> {
  constructor(bytes: number, maxBytes: number) {
    super('PBFT_REQUEST_TOO_LARGE', `a request of ${bytes} bytes; at most ${maxBytes} are allowed`)
  }
}

/** Another request with the same id was executed: this one never will be. Not retryable. */
export class DuplicateIdError extends CodedError<'PBFT_DUPLICATE_ID'> {
  constructor(id: string) {
    super('PBFT_DUPLICATE_ID', `another request with the id ${id} was executed`)
  }
}

/** No primary of N views in a row ordered the request. It may be submitted again. */
export class RequestAbandonedError extends CodedError<'PBFT_REQUEST_ABANDONED'> {
  constructor(id: string) {
    super('PBFT_REQUEST_ABANDONED', `request ${id} was not ordered by any primary; submit it again`)
  }
}

/** The replica is not running (any more); the outcome of a pending request is unknown. */
export class StoppedError extends CodedError<'PBFT_STOPPED'> {
  constructor(options?: ErrorOptions) {
    super('PBFT_STOPPED', 'the replica is not running', options)
  }
}

/** The journal failed: nothing more can be said safely, so the replica stopped. See the cause. */
export class JournalError extends CodedError<'PBFT_JOURNAL_FAILED'> {
  constructor(cause: unknown) {
    super('PBFT_JOURNAL_FAILED', 'the journal failed; the replica stopped', { cause })
  }
}

/** The state machine or the signer failed: this replica cannot follow the others, so it stopped. */
export class ExecutionError extends CodedError<'PBFT_EXECUTION_FAILED'> {
  constructor(what: string, cause: unknown) {
    super('PBFT_EXECUTION_FAILED', `${what} failed; the replica stopped`, { cause })
  }
}

/** A state transfer took longer than `transferTimeoutMs`; another is begun. */
export class TransferTimeoutError extends CodedError<'PBFT_TRANSFER_TIMEOUT'> {
  constructor(timeoutMs: number) {
    super('PBFT_TRANSFER_TIMEOUT', `the state transfer was not done within ${timeoutMs} ms`)
  }
}

/** The state here is not what a quorum signed for: disk fault, or execution that is not deterministic. */
export class StateDivergedError extends CodedError<'PBFT_STATE_DIVERGED'> {
  constructor(detail: string) {
    super('PBFT_STATE_DIVERGED', `${detail}; the replica stopped`)
  }
}

/** Bytes that no correct replica sends, or a journal that no replica wrote. */
export class MalformedError extends CodedError<'PBFT_MALFORMED'> {
  constructor(detail: string, options?: ErrorOptions) {
    super('PBFT_MALFORMED', detail, options)
  }
}

/** A signature that does not verify. */
export class InvalidSignatureError extends CodedError<'PBFT_INVALID_SIGNATURE'> {
  constructor(detail: string, options?: ErrorOptions) {
    super('PBFT_INVALID_SIGNATURE', detail, options)
  }
}

/** A proposed batch that no correct primary makes. */
export class InvalidBatchError extends CodedError<'PBFT_INVALID_BATCH'> {
  constructor(detail: string, options?: ErrorOptions) {
    super('PBFT_INVALID_BATCH', detail, options)
  }
}
