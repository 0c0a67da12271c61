import type { Counter, Gauge, Metrics } from '@heddle/interface'

/** What comm counts. The first three names are Fabric's (fabric v3.1 gossip/metrics/metrics.go). */
export interface CommMetrics {
  readonly sent: Counter
  readonly received: Counter
  readonly overflow: Counter
  readonly undeliverable: Counter
  readonly subscriberDrops: Counter
  readonly handlerErrors: Counter
  readonly refusals: Counter
  readonly connections: Gauge
}

const nothing = { add: () => undefined, set: () => undefined }

/** Registers the metrics of a comm; without a registry they go nowhere. */
export function commMetrics(metrics: Metrics | undefined): CommMetrics {
  const counter = (name: string, help: string, labelNames: readonly string[] = []): Counter =>
    metrics?.counter({ name, help, labelNames }) ?? nothing
  return {
    sent: counter('gossip_comm_messages_sent', 'Messages given to the transport'),
    received: counter('gossip_comm_messages_received', 'Messages read, including undecodable ones'),
    overflow: counter('gossip_comm_overflow_count', 'Messages dropped: outgoing queue full'),
    undeliverable: counter(
      'gossip_comm_undeliverable_total',
      'Messages dropped: peer unreachable or connection lost',
    ),
    subscriberDrops: counter(
      'gossip_comm_subscriber_drops_total',
      'Messages and events dropped: a subscriber was too slow',
    ),
    handlerErrors: counter('gossip_comm_handler_errors_total', 'Subscribers that threw'),
    refusals: counter('gossip_comm_refusals_total', 'Peers and messages refused, by error code', [
      'code',
    ]),
    connections:
      metrics?.gauge({
        name: 'gossip_comm_connections',
        help: 'Peers connected and authenticated now',
      }) ?? nothing,
  }
}
