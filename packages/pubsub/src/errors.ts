import { CodedError } from '@heddle/interface'

/** The topic has no subscribers, so the item went nowhere. Retryable once it has one. */
export class NoSubscribersError extends CodedError<'PUBSUB_NO_SUBSCRIBERS'> {
  readonly topic: string

  constructor(topic: string) {
    super('PUBSUB_NO_SUBSCRIBERS', `the topic ${JSON.stringify(topic)} has no subscribers`)
    this.topic = topic
  }
}

/** The subscription has expired and nothing is left in its buffer. Subscribe again to go on. */
export class TimedOutError extends CodedError<'PUBSUB_TIMED_OUT'> {
  readonly topic: string

  constructor(topic: string) {
    super('PUBSUB_TIMED_OUT', `timed out: no item came on the topic ${JSON.stringify(topic)}`)
    this.topic = topic
  }
}

/** The subscription was cancelled, or the broker closed. Not retryable. */
export class CancelledError extends CodedError<'PUBSUB_CANCELLED'> {
  constructor(topic: string) {
    super('PUBSUB_CANCELLED', `the subscription to ${JSON.stringify(topic)} was cancelled`)
  }
}

/** Another `listen` of this subscription is waiting already: a subscription has one consumer. */
export class BusyError extends CodedError<'PUBSUB_BUSY'> {
  constructor(topic: string) {
    super('PUBSUB_BUSY', `a listen on ${JSON.stringify(topic)} is waiting; await it first`)
  }
}

/** As many subscriptions as allowed are open. Retryable when some have ended. */
export class TooManySubscriptionsError extends CodedError<'PUBSUB_TOO_MANY_SUBSCRIPTIONS'> {
  readonly maxSubscriptions: number

  constructor(maxSubscriptions: number) {
    super('PUBSUB_TOO_MANY_SUBSCRIPTIONS', `${maxSubscriptions} subscriptions are already open`)
    this.maxSubscriptions = maxSubscriptions
  }
}

/** `close` was called: there will be no more subscriptions. Not retryable. */
export class ClosedError extends CodedError<'PUBSUB_CLOSED'> {
  constructor() {
    super('PUBSUB_CLOSED', 'the broker is closed; make a new one')
  }
}

/** An option is unknown, or an option or a time to live out of its range. The caller's mistake. */
export class InvalidOptionsError extends CodedError<'PUBSUB_INVALID_OPTIONS'> {
  constructor(message: string) {
    super('PUBSUB_INVALID_OPTIONS', message)
  }
}
