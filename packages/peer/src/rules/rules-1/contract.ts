import type { StateView, StateWrite } from '../state-view.ts'

/** What became of a transaction: its writes, or the reason why it changes nothing. */
export type Outcome =
  | { readonly accepted: true; readonly writes: readonly StateWrite[] }
  | { readonly accepted: false; readonly reason: string }

/** A contract as rules 1 know it: its reasons are sentences, some of them in V8's words. */
export interface Contract {
  /** Also the namespace that it writes. */
  readonly name: string
  /** What `input`, as received, does to `state`. */
  apply(input: Uint8Array, state: StateView): Outcome
}

/** An accepted transaction with its writes. */
export function accept(...writes: StateWrite[]): Outcome {
  return { accepted: true, writes }
}

/** A rejected transaction. */
export function reject(reason: string): Outcome {
  return { accepted: false, reason }
}
