import type { Counter, Gauge, Histogram, Metrics } from '@heddle/interface'

/** The metrics of a replica, registered once. */
export interface ReplicaMetrics {
  readonly viewNumber: Gauge
  readonly viewActive: Gauge
  readonly viewPrimary: Gauge
  readonly viewChanges: Counter
  readonly lastExecuted: Gauge
  readonly lowWatermark: Gauge
  readonly batches: Counter
  readonly requests: Counter
  readonly poolSize: Gauge
  readonly poolBytes: Gauge
  readonly latency: Histogram
  readonly rejected: Counter
  readonly dropped: Counter
  readonly flooding: Counter
  readonly sendFailures: Counter
  readonly transfers: Counter
  readonly journalRecords: Counter
  readonly journalAppends: Counter
}

/** Registers them; names follow Fabric's `consensus_smartbft_…` where the meaning is the same. */
export function createReplicaMetrics(metrics: Metrics): ReplicaMetrics {
  const counter = (name: string, help: string, ...labelNames: string[]): Counter =>
    metrics.counter({ name: `consensus_pbft_${name}`, help, labelNames })
  const gauge = (name: string, help: string): Gauge =>
    metrics.gauge({ name: `consensus_pbft_${name}`, help })
  return {
    viewNumber: gauge('view_number', 'The view that this replica is in or changes to.'),
    viewActive: gauge('view_active', '1 while this replica takes part in its view, 0 otherwise.'),
    viewPrimary: gauge('view_leader_id', 'The primary of the view.'),
    viewChanges: counter('view_changes_total', 'View changes that this replica began or joined.'),
    lastExecuted: gauge('last_executed_sequence', 'The last sequence number executed, durably.'),
    lowWatermark: gauge('low_watermark', 'The last stable checkpoint.'),
    batches: counter('view_count_batch_all', 'Batches executed.'),
    requests: counter('view_count_txs_all', 'Requests in executed batches.'),
    poolSize: gauge('pool_count_of_elements', 'Requests that wait for their execution.'),
    poolBytes: gauge('pool_bytes', 'Bytes of these.'),
    latency: metrics.histogram({
      name: 'consensus_pbft_submit_latency_seconds',
      help: 'From submit to durable execution here.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    }),
    rejected: counter('rejected_messages_total', 'Messages of peers that were refused.', 'code'),
    dropped: counter('dropped_messages_total', 'Messages dropped at a full queue.', 'direction'),
    flooding: counter('flooding_total', 'Times that a replica was found to send too much.', 'what'),
    sendFailures: counter('send_failures_total', 'Frames that the network refused.'),
    transfers: counter('state_transfers_total', 'State transfers that ended well.'),
    journalRecords: counter('journal_records_total', 'Records made durable.'),
    journalAppends: counter('journal_appends_total', 'Durable appends: records share them.'),
  }
}
