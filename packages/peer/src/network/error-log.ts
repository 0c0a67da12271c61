import { appendFileSync } from 'node:fs'
import { foreignLine } from '../logging/log-file.ts'
import type { Readable } from 'node:stream'
import type { Clock } from '@heddle/interface'
import type { ProcessSpec } from './process-spec.ts'

/** Longest line, in characters; what is longer is cut into several. */
export const maxLine = 4096

/** Where a line is cut that begins at `from`: never inside of a character. */
function endOfPart(line: string, from: number): number {
  const end = from + maxLine
  const isInside = /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(line.slice(end - 1, end + 1))
  return isInside ? end - 1 : end
}

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
    // A chunk may end in the middle of a character.
    stream?.setEncoding('utf8')
    stream?.on('data', (text: string) => this.#take(text))
    stream?.on('end', () => this.#appendLine(this.#rest))
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    while (this.#rest.length > maxLine) {
      const end = endOfPart(this.#rest, 0)
      lines.push(this.#rest.slice(0, end))
      this.#rest = this.#rest.slice(end)
    }
    for (const line of lines) this.#appendLine(line)
  }

  #appendLine(line: string): void {
    for (let at = 0; at < line.length;) {
      const end = endOfPart(line, at)
      this.#append(line.slice(at, end))
      at = end
    }
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
