import type { Logger, MetricLabels, Metrics } from '@heddle/interface'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A logger that keeps its lines. */
export class RecordingLogger implements Logger {
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

/** A register that adds up. */
export class RecordingMetrics implements Metrics {
  readonly values = new Map<string, number>()

  counter({ name }: { name: string }): { add: (value: number, labels?: MetricLabels) => void } {
    return {
      add: (value, labels = {}) => {
        const key = [name, ...Object.values(labels)].join(' ')
        this.values.set(key, this.get(key) + value)
      },
    }
  }
  gauge({ name }: { name: string }): { set: (value: number) => void } {
    return { set: (value) => void this.values.set(name, value) }
  }
  histogram(): { observe: () => void } {
    return { observe: () => undefined }
  }
  get(key: string): number {
    return this.values.get(key) ?? 0
  }
}
