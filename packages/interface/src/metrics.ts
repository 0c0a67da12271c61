/** Name, help and label names of a metric. Names end in their unit: `_total`, `_seconds`, `_bytes`. */
export interface MetricOptions {
  /** As Prometheus takes it: letters, digits, `_` and `:`, no digit first. */
  readonly name: string
  /** What it counts or measures, for people. */
  readonly help: string
  /** Which labels its values have; default none. */
  readonly labelNames?: readonly string[]
}

/** As {@link MetricOptions}, with the upper bounds of the buckets in ascending order. */
export interface HistogramOptions extends MetricOptions {
  /** In the unit of the name; default: whatever the implementation takes. */
  readonly buckets?: readonly number[]
}

/** Values for the label names of a metric. */
export type MetricLabels = Readonly<Record<string, string>>

/** A number that only grows. */
export interface Counter {
  /** Adds `value`, 0 or more. */
  add(value: number, labels?: MetricLabels): void
}

/** A number that goes up and down. */
export interface Gauge {
  /** From now on it is `value`, in the unit of its name. */
  set(value: number, labels?: MetricLabels): void
}

/** A distribution of observed values. */
export interface Histogram {
  /** Counts `value`, in the unit of its name, into its bucket. */
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
