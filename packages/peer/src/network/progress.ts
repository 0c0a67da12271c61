import { grouped, markUnverified, toJson } from '../cli/output.ts'
import type { Output } from '../cli/output.ts'
import type { Counts } from './submissions.ts'

/** How a run goes. */
export interface Progress extends Counts {
  /** Lines of the input, when that is known. */
  readonly total: number | undefined
  /** Lines that did not become a transaction. */
  readonly notSubmitted: number
  readonly blocks: bigint
  readonly txPerSecond: number
  /** That f + 1 validators are in; undefined when they are not in one. */
  readonly view: bigint | undefined
  readonly primary: string | undefined
  /** Height of each validator, in order, as it says itself; undefined when it gives no answer. */
  readonly heights: readonly (bigint | undefined)[]
  /** Names of those that say that something is wrong with them: `network status` tells what. */
  readonly notWell: readonly string[]
}

/** Shows progress; `end` leaves the last state on the screen. */
export interface ProgressDisplay {
  update(progress: Progress): void
  end(): void
}

const barWidth = 20

/** `████░░░░  50 %`, or the number of transactions when the total is not known. */
export function bar(done: number, total: number | undefined): string {
  if (total === undefined || total === 0) return `${grouped(done)} transactions`
  const share = Math.min(1, done / total)
  const full = Math.round(share * barWidth)
  const percent = Math.floor(share * 100)
    .toString()
    .padStart(3)
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${percent} %`
}

/** Between two parts of a line. */
const between = ' | '

/** One line for people, as many of its parts as fit into so many columns. */
export function describe(progress: Progress, columns = Infinity): string {
  const { accepted, rejected, notSubmitted, total, txPerSecond, blocks } = progress
  const { view, primary, heights, notWell } = progress
  const done = accepted + rejected + notSubmitted
  const shown = heights.map((height) => (height === undefined ? '–' : grouped(height)))
  const others = [
    ...(notWell.length === 0 ? [] : [`not well: ${notWell.join(', ')}`]),
    ...(total === undefined ? [] : [`${grouped(done)}/${grouped(total)}`]),
    `${grouped(Math.round(txPerSecond))} tx/s`,
    `${grouped(blocks)} blocks`,
    view === undefined ? 'no view' : `view ${view}, primary ${primary ?? '–'}`,
    `heights, as reported: ${shown.join(' ')}`,
  ]
  let line = bar(done, total).slice(0, columns)
  for (const part of others) {
    if (line.length + between.length + part.length > columns) break
    line += between + part
  }
  return line
}

/** A line that is drawn over again. */
class TerminalDisplay implements ProgressDisplay {
  readonly #stream: NodeJS.WriteStream
  #drawn = false

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  update(progress: Progress): void {
    // In the last column some terminals begin a new line.
    const text = describe(progress, this.#stream.columns - 1)
    this.#stream.write(`\r\x1b[K${text}`)
    this.#drawn = true
  }

  end(): void {
    if (this.#drawn) this.#stream.write('\n')
    this.#drawn = false
  }
}

/** Plain lines, one every so often, for files and pipes. */
class LineDisplay implements ProgressDisplay {
  readonly #output: Output
  readonly #every: number
  #updates = 0

  constructor(output: Output, every: number) {
    this.#output = output
    this.#every = every
  }

  update(progress: Progress): void {
    if (this.#updates++ % this.#every === 0) this.#output.line(describe(progress))
  }

  end(): void {
    this.#updates = 0
  }
}

/** One JSON object a line. */
class JsonDisplay implements ProgressDisplay {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  update(progress: Progress): void {
    const marked = markUnverified(progress, ['heights', 'notWell'])
    this.#output.line(toJson({ type: 'progress', ...marked }))
  }

  end(): void {
    // Every line stands for itself.
  }
}

/** Updates between two plain lines. */
const plainEvery = 5

/** The display for where the output goes. */
export function createProgressDisplay(options: {
  readonly json: boolean
  readonly stream: NodeJS.WriteStream
  readonly output: Output
}): ProgressDisplay {
  if (options.json) return new JsonDisplay(options.output)
  if (options.stream.isTTY) return new TerminalDisplay(options.stream)
  return new LineDisplay(options.output, plainEvery)
}
