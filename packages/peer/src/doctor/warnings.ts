import { messageOf } from '../errors.ts'
import { warn } from './finding.ts'
import type { LogFields, Logger } from '@heddle/interface'
import type { Finding, Subject } from './finding.ts'

/** Makes findings of what parts of a validator would warn of in its log. */
export class Warnings implements Logger {
  readonly findings: Finding[] = []
  readonly #subject: Subject

  constructor(subject: Subject) {
    this.#subject = subject
  }

  debug(): void {
    // Says nothing that somebody should look at.
  }

  info(): void {
    // Likewise.
  }

  warn(event: string, { cure, ...fields }: LogFields = {}, error?: unknown): void {
    const about = Object.entries(fields).map(([name, value]) => `${name} ${String(value)}`)
    const why = error === undefined ? [] : [messageOf(error)]
    const what = [`${event}${about.length === 0 ? '' : ` (${about.join(', ')})`}`, ...why]
    this.findings.push(warn(this.#subject, what.join(': '), cure as string | undefined))
  }

  error(event: string, fields?: LogFields, error?: unknown): void {
    this.warn(event, fields, error)
  }

  child(): this {
    return this
  }
}
