/** Name, help and label names of a metric. Names end in their unit: `_total`, `_seconds`, `_bytes`. */
export interface MetricOptions {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly string[]
}

/** As {@link MetricOptions}, with the upper bounds of the buckets in ascending order. */
export interface HistogramOptions extends MetricOptions {
  readonly buckets?: readonly number[]
}

/** Values for the label names of a metric. */
export type MetricLabels = Readonly<Record<string, string>>

/** A number that only grows. */
export interface Counter {
  add(value: number, labels?: MetricLabels): void
}

/** A number that goes up and down. */
export interface Gauge {
  set(value: number, labels?: MetricLabels): void
}

/** A distribution of observed values. */
export interface Histogram {
  observe(value: number, labels?: MetricLabels): void
}

/**
 * Where a package registers its metrics, once, when a component is made.
 * Registering the same name again returns the metric that is there.
 */
export interface Metrics {
  counter(options: MetricOptions): Counter
  gauge(options: MetricOptions): Gauge
  histogram(options: HistogramOptions): Histogram
}
