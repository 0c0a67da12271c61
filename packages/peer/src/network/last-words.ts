import type { Readable } from 'node:stream'

/** Characters kept of what a process writes to standard error: its end tells why it ended. */
export const maxLastWords = 8192

/** Lines shown of what does not come from heddle, such as the last words of Node itself. */
const maxForeignLines = 12

/** How every last word of heddle begins; see `describeFailure`. */
const beginning = 'heddle: '

/** Listens to the standard error of a process and remembers the end of it. */
export class LastWords {
  #text = ''

  constructor(stream: Readable | null) {
    stream?.setEncoding('utf8')
    stream?.on('data', (text: string) => (this.#text = (this.#text + text).slice(-maxLastWords)))
    stream?.on('error', () => undefined)
  }

  /** Why the process ended, as it said; empty when it said nothing. */
  toString(): string {
    const text = this.#text.trimEnd()
    // Not at the beginning of a line: lmdb writes there too, without ending its own.
    const start = text.lastIndexOf(beginning)
    if (start !== -1) return text.slice(start)
    return text.split('\n').slice(-maxForeignLines).join('\n')
  }
}
