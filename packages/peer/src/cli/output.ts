import { systemCode } from '../errors.ts'
import type { Writable } from 'node:stream'

/** Where a command writes: lines for people or for machines, never both. */
export interface Output {
  /** A line on standard output. */
  line(text: string): void
  /** A line on standard error: what a person should know and a pipe should not get. */
  note(text: string): void
}

/** Standard output and standard error. */
export const standardOutput: Output = {
  line: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
}

/**
 * Resolves when whoever reads `stream` has taken all that was written to it. What a slow reader has not
 * taken waits in memory, and is lost when the process ends.
 *
 * @returns false when nobody reads any more
 */
export function taken(stream: Writable): Promise<boolean> {
  return new Promise((resolve) => {
    stream.write('', (error) => resolve(!error))
  })
}

/**
 * Whoever stops reading (`heddle blocks | head`) ends no command with an uncaught error.
 * @returns tells why standard output took no more, when that is not because nobody reads it
 */
export function outliveReaders(
  streams: Pick<NodeJS.Process, 'stdout' | 'stderr'> = process,
): () => Error | undefined {
  let failure: Error | undefined
  streams.stderr.on('error', () => undefined)
  streams.stdout.on('error', (error) => {
    if (systemCode(error) !== 'EPIPE') failure ??= error
  })
  return () => failure
}

/** `12345` → `12,345`. */
export function grouped(value: number | bigint): string {
  return value.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/**
 * An object for `--json` with `unverified`: the names of those of its members that are the word of one
 * validator, which nobody has checked.
 */
export function markUnverified<Value extends object>(
  value: Value,
  names: readonly (keyof Value)[] = Object.keys(value) as (keyof Value)[],
): Value & { readonly unverified: readonly (keyof Value)[] } {
  return { ...value, unverified: names }
}

/** JSON with bigints as digits, for `--json`. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each === 'bigint')
      return Number.isSafeInteger(Number(each)) ? Number(each) : each.toString()
    return each
  })
}
