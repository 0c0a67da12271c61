import type { Logger } from '../logger.ts'
import type { Counter, Gauge, Histogram, MetricLabels, Metrics } from '../metrics.ts'

/** What a {@link RecordingLogger} was told. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A logger that keeps its lines. */
export class RecordingLogger implements Logger {
  /** In the order in which they came; those of its children, too. */
  readonly lines: LogLine[] = []
  readonly #waiting = new Set<() => void>()

  debug(event: string, fields = {}): void {
    this.#add({ level: 'debug', event, fields })
  }
  info(event: string, fields = {}): void {
    this.#add({ level: 'info', event, fields })
  }
  warn(event: string, fields = {}): void {
    this.#add({ level: 'warn', event, fields })
  }
  error(event: string, fields = {}): void {
    this.#add({ level: 'error', event, fields })
  }
  child(): Logger {
    return this
  }

  /** Resolves with the first line of that event (and those fields), now or later. */
  async line(event: string, fields: Readonly<Record<string, unknown>> = {}): Promise<LogLine> {
    for (;;) {
      const found = this.lines.find(
        (line) =>
          line.event === event &&
          Object.entries(fields).every(([name, value]) => line.fields[name] === value),
      )
      if (found !== undefined) return found
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  #add(line: LogLine): void {
    this.lines.push(line)
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/** Metrics that are kept; histograms are not. */
export class RecordingMetrics implements Metrics {
  /** By the name and the values of the labels, with spaces between them. */
  readonly values = new Map<string, number>()

  counter({ name }: { name: string }): Counter {
    return {
      add: (value, labels) => {
        const key = keyOf(name, labels)
        this.values.set(key, this.get(key) + value)
      },
    }
  }
  gauge({ name }: { name: string }): Gauge {
    return { set: (value, labels) => void this.values.set(keyOf(name, labels), value) }
  }
  histogram(): Histogram {
    return { observe: () => undefined }
  }
  /** The value under this key; 0 when there is none. */
  get(key: string): number {
    return this.values.get(key) ?? 0
  }
}

function keyOf(name: string, labels: MetricLabels = {}): string {
  return [name, ...Object.values(labels)].join(' ')
}
