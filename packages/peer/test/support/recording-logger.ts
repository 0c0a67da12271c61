import type { Logger } from '@heddle/interface'

/** A line of a log. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A logger that keeps its lines. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = []

  debug(event: string, fields = {}): void {
    this.lines.push({ level: 'debug', event, fields })
  }
  info(event: string, fields = {}): void {
    this.lines.push({ level: 'info', event, fields })
  }
  warn(event: string, fields = {}): void {
    this.lines.push({ level: 'warn', event, fields })
  }
  error(event: string, fields = {}): void {
    this.lines.push({ level: 'error', event, fields })
  }
  child(): Logger {
    return this
  }
}
