import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { MetricOptions, Metrics } from '@heddle/interface'

/** Metrics that Prometheus can scrape. */
export interface PrometheusMetrics extends Metrics {
  /** For the header of an HTTP answer with {@link text}. */
  readonly contentType: string
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>
}

/**
 * Metrics by prom-client, in a registry of their own (two peers in one process do not mix).
 * @param withProcess - also CPU, memory and event loop of this process; stops with the process
 */
export function createMetrics(withProcess = false): PrometheusMetrics {
  const registry = new Registry()
  if (withProcess) collectDefaultMetrics({ register: registry })
  const config = (options: MetricOptions) => ({
    name: options.name,
    help: options.help,
    labelNames: [...(options.labelNames ?? [])],
    registers: [registry],
  })
  /** The metric registered under the name, or a new one. */
  const once = <Metric>(name: string, make: () => Metric): Metric =>
    (registry.getSingleMetric(name) as Metric | undefined) ?? make()
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    counter(options) {
      const metric = once(options.name, () => new Counter(config(options)))
      return { add: (value, labels) => metric.inc({ ...labels }, value) }
    },
    gauge(options) {
      const metric = once(options.name, () => new Gauge(config(options)))
      return { set: (value, labels) => metric.set({ ...labels }, value) }
    },
    histogram(options) {
      const buckets = options.buckets === undefined ? {} : { buckets: [...options.buckets] }
      const metric = once(options.name, () => new Histogram({ ...config(options), ...buckets }))
      return { observe: (value, labels) => metric.observe({ ...labels }, value) }
    },
  }
}
