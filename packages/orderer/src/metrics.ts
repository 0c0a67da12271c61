import type { Counter, Gauge, Histogram, Metrics } from '@heddle/interface'

/** What a signature collector counts. */
export interface CollectorMetrics {
  readonly signatures: Counter
  readonly openBlocks: Gauge
}

/** Registers the metrics of the signature collector. */
export function collectorMetrics(metrics: Metrics): CollectorMetrics {
  return {
    signatures: metrics.counter({
      name: 'orderer_block_signatures_total',
      help: 'Block signatures of other consenters, by outcome.',
      labelNames: ['outcome'],
    }),
    openBlocks: metrics.gauge({
      name: 'orderer_unsigned_blocks',
      help: 'Executed blocks that wait for a quorum of signatures.',
    }),
  }
}

/** What the Broadcast and Deliver services count: names of Fabric's metrics reference. */
export interface ServiceMetrics {
  readonly processed: Counter
  readonly enqueueDuration: Histogram
  readonly streamsOpened: Counter
  readonly streamsClosed: Counter
  readonly requestsReceived: Counter
  readonly requestsCompleted: Counter
  readonly blocksSent: Counter
}

/** Registers the metrics of the services. */
export function serviceMetrics(metrics: Metrics): ServiceMetrics {
  return {
    processed: metrics.counter({
      name: 'broadcast_processed_count',
      help: 'Envelopes answered, by channel, type and status.',
      labelNames: ['channel', 'type', 'status'],
    }),
    enqueueDuration: metrics.histogram({
      name: 'broadcast_enqueue_duration',
      help: 'Seconds from an envelope to its answer.',
      labelNames: ['channel', 'type', 'status'],
    }),
    streamsOpened: metrics.counter({
      name: 'deliver_streams_opened',
      help: 'Deliver streams that were opened.',
    }),
    streamsClosed: metrics.counter({
      name: 'deliver_streams_closed',
      help: 'Deliver streams that were closed.',
    }),
    requestsReceived: metrics.counter({
      name: 'deliver_requests_received',
      help: 'Deliver requests, by channel and kind of data.',
      labelNames: ['channel', 'filtered', 'data_type'],
    }),
    requestsCompleted: metrics.counter({
      name: 'deliver_requests_completed',
      help: 'Deliver requests that ended, by channel, kind of data and success.',
      labelNames: ['channel', 'filtered', 'data_type', 'success'],
    }),
    blocksSent: metrics.counter({
      name: 'deliver_blocks_sent',
      help: 'Blocks sent, by channel and kind of data.',
      labelNames: ['channel', 'filtered', 'data_type'],
    }),
  }
}
