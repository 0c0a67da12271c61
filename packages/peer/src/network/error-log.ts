import { appendFileSync } from 'node:fs'
import { foreignLine } from '../logging/log-file.ts'
import type { Readable } from 'node:stream'
import type { Clock } from '@heddle/interface'
import type { ProcessSpec } from './processes.ts'

/** Longest line, in characters; what is longer is cut into several. */
export const maxLine = 4096

/**
 * Appends what a validator writes to standard error to its log, each line as JSON: last words of Node or
 * of a library, beside the lines of its loggers.
 */
export class ErrorLog {
  readonly #clock: Clock
  readonly #spec: ProcessSpec
  #rest = ''

  constructor(stream: Readable | null, spec: ProcessSpec, clock: Clock) {
    this.#clock = clock
    this.#spec = spec
    stream?.on('data', (text: string | Buffer) => this.#take(text.toString()))
    stream?.on('end', () => this.#appendLine(this.#rest))
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length >= maxLine) {
      lines.push(this.#rest)
      this.#rest = ''
    }
    for (const line of lines) this.#appendLine(line)
  }

  #appendLine(line: string): void {
    for (let at = 0; at < line.length; at += maxLine) this.#append(line.slice(at, at + maxLine))
  }

  #append(text: string): void {
    if (text.trim() === '') return
    const time = this.#clock.wallTime()
    const { name: peer, log } = this.#spec
    try {
      appendFileSync(log, foreignLine({ level: 'error', time, peer, logger: 'process', msg: text }))
    } catch {
      // A full disk, most likely: the last words are shown in the terminal all the same.
    }
  }
}
