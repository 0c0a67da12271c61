import { unknownOption } from '@heddle/interface'
import type { Clock, ClockTimer, Metrics } from '@heddle/interface'
import {
  ClosedError,
  InvalidOptionsError,
  NoSubscribersError,
  TooManySubscriptionsError,
} from './errors.ts'
import { pubSubMetrics, type PubSubMetrics } from './metrics.ts'
import { BufferedSubscription, type OverflowPolicy, type Subscription } from './subscription.ts'

/** What a {@link PubSub} needs from outside. */
export interface PubSubDeps {
  /** Decides when subscriptions expire. */
  readonly clock: Clock
  readonly metrics?: Metrics
}

/** The bounds of a {@link PubSub}; each has a default. */
export interface PubSubOptions {
  /** How many items wait for one subscriber, 1 to 65,536. Default 50, as in Fabric. */
  readonly bufferSize?: number
  /** What a full buffer does. Default `drop-newest`, as in Fabric. Either way it is counted. */
  readonly overflow?: OverflowPolicy
  /** How many subscriptions may be open at once, 1 to 2^24. Default 10,000. */
  readonly maxSubscriptions?: number
}

const known = Object.keys({
  ...{ bufferSize: true, overflow: true, maxSubscriptions: true },
} satisfies Record<keyof PubSubOptions, true>)

/**
 * Topics, compared as exact strings, without wildcards. Every subscriber of a topic gets every item
 * published after it subscribed, in order, the same reference; a slow one loses items, and nobody
 * waits for it.
 *
 * @see fabric v3.1.5 gossip/util/pubsub.go
 */
export class PubSub<T> {
  readonly #clock: Clock
  readonly #metrics: PubSubMetrics | undefined
  readonly #bufferSize: number
  readonly #overflow: OverflowPolicy
  readonly #maxSubscriptions: number
  // The subscriptions of each topic, in the order of subscribing, with the timers that end them.
  readonly #topics = new Map<string, Map<BufferedSubscription<T>, ClockTimer | undefined>>()
  #subscriptions = 0
  #isClosed = false

  /** @throws {InvalidOptionsError} PUBSUB_INVALID_OPTIONS when an option is unknown or out of range */
  constructor(deps: PubSubDeps, options: PubSubOptions = {}) {
    const unknown = unknownOption(options, known)
    if (unknown !== undefined) throw new InvalidOptionsError(unknown)
    this.#clock = deps.clock
    this.#metrics = deps.metrics && pubSubMetrics(deps.metrics)
    this.#bufferSize = wholeNumber('bufferSize', options.bufferSize ?? 50, 65_536)
    this.#overflow = overflowPolicy(options.overflow ?? 'drop-newest')
    this.#maxSubscriptions = wholeNumber(
      'maxSubscriptions',
      options.maxSubscriptions ?? 10_000,
      2 ** 24,
    )
  }

  /** Topics that have a subscriber. */
  get topicCount(): number {
    return this.#topics.size
  }

  /** Subscriptions that are open: neither expired nor cancelled. */
  get subscriptionCount(): number {
    return this.#subscriptions
  }

  /**
   * Subscribes to `topic` for `ttlMs` milliseconds, 0 or more; `Infinity`: until `cancel`.
   *
   * @throws {InvalidOptionsError} PUBSUB_INVALID_OPTIONS for a negative or missing `ttlMs`
   * @throws {TooManySubscriptionsError} PUBSUB_TOO_MANY_SUBSCRIPTIONS at `maxSubscriptions`
   * @throws {ClosedError} PUBSUB_CLOSED after `close`
   */
  subscribe(topic: string, ttlMs: number): Subscription<T> {
    if (this.#isClosed) throw new ClosedError()
    if (!(ttlMs >= 0)) throw new InvalidOptionsError(`ttlMs must be 0 or more, not ${ttlMs}`)
    if (this.#subscriptions >= this.#maxSubscriptions) {
      throw new TooManySubscriptionsError(this.#maxSubscriptions)
    }
    const subscription = new BufferedSubscription<T>({
      topic,
      capacity: this.#bufferSize,
      overflow: this.#overflow,
      onCancel: () => this.#remove(subscription),
    })
    const expire = (): void => {
      this.#remove(subscription)
      subscription.expire()
    }
    const timer = ttlMs === Infinity ? undefined : this.#clock.schedule(ttlMs, expire)
    this.#add(subscription, timer)
    return subscription
  }

  /**
   * Gives `item` to every subscriber of `topic` and never waits for one. A subscriber whose buffer
   * is full loses an item, by the overflow policy; that is counted, and is no error.
   *
   * @throws {NoSubscribersError} PUBSUB_NO_SUBSCRIBERS
   */
  publish(topic: string, item: T): void {
    const subscribers = this.#topics.get(topic)
    if (subscribers === undefined) throw new NoSubscribersError(topic)
    let dropped = 0
    for (const subscription of subscribers.keys()) {
      if (!subscription.offer(item)) dropped += 1
    }
    this.#metrics?.published.add(1)
    if (dropped > 0) this.#metrics?.dropped.add(dropped)
  }

  /** Cancels every subscription; no timer is left. Harmless twice. */
  close(): void {
    this.#isClosed = true
    // Copies, because `cancel` takes each out of the maps that are walked here.
    for (const subscribers of [...this.#topics.values()]) {
      for (const subscription of [...subscribers.keys()]) subscription.cancel()
    }
  }

  /** Puts the subscription into its topic, which may be new. */
  #add(subscription: BufferedSubscription<T>, timer: ClockTimer | undefined): void {
    const subscribers = this.#topics.get(subscription.topic) ?? new Map<never, never>()
    subscribers.set(subscription, timer)
    this.#topics.set(subscription.topic, subscribers)
    this.#subscriptions += 1
    this.#metrics?.subscriptions.set(this.#subscriptions)
  }

  /** Takes the subscription out of its topic, and the topic away when it was the last one. */
  #remove(subscription: BufferedSubscription<T>): void {
    const subscribers = this.#topics.get(subscription.topic)
    if (subscribers?.has(subscription) !== true) return
    subscribers.get(subscription)?.cancel()
    subscribers.delete(subscription)
    if (subscribers.size === 0) this.#topics.delete(subscription.topic)
    this.#subscriptions -= 1
    this.#metrics?.subscriptions.set(this.#subscriptions)
  }
}

function wholeNumber(option: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new InvalidOptionsError(`${option} must be a whole number from 1 to ${max}, not ${value}`)
}

function overflowPolicy(value: string): OverflowPolicy {
  if (value === 'drop-newest' || value === 'drop-oldest') return value
  throw new InvalidOptionsError(`overflow must be drop-newest or drop-oldest, not ${value}`)
}
