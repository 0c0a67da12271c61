import type { Counter, Gauge, Metrics } from '@heddle/interface'

/** The metrics of a broker. */
export interface PubSubMetrics {
  readonly published: Counter
  readonly dropped: Counter
  readonly subscriptions: Gauge
}

/** Registers them. */
export function pubSubMetrics(metrics: Metrics): PubSubMetrics {
  return {
    published: metrics.counter({
      name: 'pubsub_published_total',
      help: 'Items published to a topic with subscribers',
    }),
    dropped: metrics.counter({
      name: 'pubsub_dropped_total',
      help: 'Items that a subscriber lost because its buffer was full',
    }),
    subscriptions: metrics.gauge({ name: 'pubsub_subscriptions', help: 'Open subscriptions' }),
  }
}
