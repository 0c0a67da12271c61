import type { Counter, Gauge, Metrics } from '@heddle/interface'

/** The metrics of a mapper. */
export interface MapperMetrics {
  readonly known: Gauge
  readonly refused: Counter
  readonly purged: Counter
}

/** Registers them. */
export function mapperMetrics(metrics: Metrics): MapperMetrics {
  return {
    known: metrics.gauge({ name: 'identity_known', help: 'Identities known, including its own' }),
    refused: metrics.counter({
      name: 'identity_refused_total',
      help: 'Identities refused, by error code',
      labelNames: ['code'],
    }),
    purged: metrics.counter({
      name: 'identity_purged_total',
      help: 'Identities purged, by reason: unused, expired, invalid or displaced',
      labelNames: ['reason'],
    }),
  }
}
