import { CodedError } from '@heddle/interface'

/** The manager has stopped, or stopped while this producer waited. Not retryable: make a new one. */
export class EventsStoppedError extends CodedError<'EVENTS_STOPPED'> {
  constructor(options?: ErrorOptions) {
    super('EVENTS_STOPPED', 'the event manager has stopped; it takes no more events', options)
  }
}

/** Events cannot be processed because `setReceiver` was not called. The caller's mistake. */
export class NoReceiverError extends CodedError<'EVENTS_NO_RECEIVER'> {
  constructor() {
    super('EVENTS_NO_RECEIVER', 'the event manager has no receiver; call setReceiver first')
  }
}

/** Too many producers already wait for room. Retryable, after a pause. */
export class OverloadedError extends CodedError<'EVENTS_OVERLOADED'> {
  readonly maxWaiting: number

  constructor(maxWaiting: number) {
    super('EVENTS_OVERLOADED', `${maxWaiting} producers already wait for room; try again later`)
    this.maxWaiting = maxWaiting
  }
}

/** The receiver threw. `cause` is what it threw; `event` is what it was processing. */
export class ReceiverFailedError extends CodedError<'EVENTS_RECEIVER_FAILED'> {
  readonly event: unknown

  constructor(event: unknown, options: ErrorOptions) {
    const { cause } = options
    const reason = cause instanceof Error ? cause.message : String(cause)
    super('EVENTS_RECEIVER_FAILED', `the receiver of the event manager threw: ${reason}`, options)
    this.event = event
    // Events may be large or secret: they stay reachable, but out of logs that list fields.
    Object.defineProperty(this, 'event', { enumerable: false })
  }
}

/** An option is unknown or out of its range. The caller's mistake. */
export class InvalidOptionsError extends CodedError<'EVENTS_INVALID_OPTIONS'> {
  constructor(message: string) {
    super('EVENTS_INVALID_OPTIONS', message)
  }
}

/** `value`, if it is a whole number from 1 to `max`; otherwise {@link InvalidOptionsError}. */
export function positiveInteger(option: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new InvalidOptionsError(`${option} must be a whole number from 1 to ${max}, not ${value}`)
}
