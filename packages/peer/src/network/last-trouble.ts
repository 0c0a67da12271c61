import { messageOf } from '../errors.ts'
import type { LogFields, Logger } from '@heddle/interface'

/** Remembers the last error that a client of the network logged: why it has to wait. */
export class LastTrouble implements Logger {
  #text: string | undefined

  /** In brackets, behind what is waited for; empty when nothing went wrong. */
  toString(): string {
    return this.#text === undefined ? '' : ` (${this.#text})`
  }

  debug(event: string, fields?: LogFields, error?: unknown): void {
    this.#note(event, fields, error)
  }

  info(event: string, fields?: LogFields, error?: unknown): void {
    this.#note(event, fields, error)
  }

  warn(event: string, fields?: LogFields, error?: unknown): void {
    this.#note(event, fields, error)
  }

  error(event: string, fields?: LogFields, error?: unknown): void {
    this.#note(event, fields, error)
  }

  child(): Logger {
    return this
  }

  #note(event: string, fields: LogFields | undefined, error: unknown): void {
    const where = fields?.['endpoint']
    if (error !== undefined) this.#text = messageOf(error)
    else if (typeof where === 'string') this.#text = `${where}: ${event}`
  }
}
