import type { Readable } from 'node:stream'

/** Why a command ends before its time: somebody wants it to. */
export class Interrupted extends Error {}

/** Ends an input when `signal` aborts: nothing else ends one that waits for a terminal or a pipe. */
export function endWith(signal: AbortSignal, input: Readable): void {
  signal.addEventListener('abort', () => input.destroy(), { once: true })
}
