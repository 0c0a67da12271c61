import type { Counter, Gauge, Metrics } from '@heddle/interface'

/** What delivery counts. */
export interface DeliverMetrics {
  readonly blocks: Counter
  readonly failures: Counter
  readonly height: Gauge
}

/** Registers the metrics of delivery. */
export function deliverMetrics(metrics: Metrics): DeliverMetrics {
  return {
    blocks: metrics.counter({
      name: 'deliver_client_blocks_total',
      help: 'Verified blocks that the sink took.',
      labelNames: ['endpoint'],
    }),
    failures: metrics.counter({
      name: 'deliver_client_failures_total',
      help: 'Attempts that ended in a failure, by error code.',
      labelNames: ['code'],
    }),
    height: metrics.gauge({
      name: 'deliver_client_height',
      help: 'Number of the next block to be delivered.',
    }),
  }
}

/** What the broadcast client counts. */
export interface BroadcastMetrics {
  readonly answers: Counter
  readonly resent: Counter
  readonly inFlight: Gauge
}

/** Registers the metrics of the broadcast client. */
export function broadcastMetrics(metrics: Metrics): BroadcastMetrics {
  return {
    answers: metrics.counter({
      name: 'broadcast_client_answers_total',
      help: 'Answers to envelopes, by status.',
      labelNames: ['status'],
    }),
    resent: metrics.counter({
      name: 'broadcast_client_resent_total',
      help: 'Envelopes that were sent again.',
    }),
    inFlight: metrics.gauge({
      name: 'broadcast_client_unacknowledged',
      help: 'Envelopes sent and not answered.',
    }),
  }
}
