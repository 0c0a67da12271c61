import { grouped, markUnverified, toJson } from '../cli/output.ts'
import type { Output } from '../cli/output.ts'
import type { Counts } from './submissions.ts'

/** How a run goes. */
export interface Progress extends Counts {
  /** Lines of the input, when that is known. */
  readonly total: number | undefined
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

const barWidth = 30

/** `████░░░░ 50 %`, or the number of transactions when the total is not known. */
export function bar(done: number, total: number | undefined): string {
  if (total === undefined || total === 0) return `${grouped(done)} transactions`
  const share = Math.min(1, done / total)
  const full = Math.round(share * barWidth)
  const percent = Math.floor(share * 100)
    .toString()
    .padStart(3)
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${percent} %`
}

/** One line for people. */
export function describe(progress: Progress): string {
  const { accepted, rejected, total, txPerSecond, blocks, view, primary, heights } = progress
  const { notWell } = progress
  const done = accepted + rejected
  const shown = heights.map((height) => (height === undefined ? '–' : grouped(height)))
  return [
    bar(done, total),
    ...(notWell.length === 0 ? [] : [`not well: ${notWell.join(', ')}`]),
    ...(total === undefined ? [] : [`${grouped(done)}/${grouped(total)}`]),
    `${grouped(Math.round(txPerSecond))} tx/s`,
    `${grouped(blocks)} blocks`,
    view === undefined ? 'no view' : `view ${view}, primary ${primary ?? '–'}`,
    `heights, as each says: ${shown.join(' ')}`,
  ].join(' | ')
}

/** A line that is drawn over again. */
class TerminalDisplay implements ProgressDisplay {
  readonly #stream: NodeJS.WriteStream
  #drawn = false

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  update(progress: Progress): void {
    const width = this.#stream.columns
    const text = describe(progress)
    this.#stream.write(`\r\x1b[K${text.length > width ? text.slice(0, width - 1) : text}`)
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
