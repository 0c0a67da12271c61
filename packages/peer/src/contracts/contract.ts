/** What a contract may read: the state after all transactions before its own. */
export interface StateView {
  /** The value of a key; undefined when there is none. Not to be changed. */
  get(namespace: string, key: string): Uint8Array | undefined
}

/** One change of the state: a new value, or none to delete the key. */
export interface StateWrite {
  readonly namespace: string
  readonly key: string
  readonly value: Uint8Array | undefined
}

/** What became of a transaction: its writes, or the reason why it changes nothing. */
export type Outcome =
  | { readonly accepted: true; readonly writes: readonly StateWrite[] }
  | { readonly accepted: false; readonly reason: string }

/**
 * A deterministic program over the state. `apply` is a pure function of its arguments: no clock, no
 * randomness, no I/O, and it never throws: every input that it does not like is a rejection.
 */
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

/** A rejected transaction. The reason is part of the block: fixed words, no byte of our own memory. */
export function reject(reason: string): Outcome {
  return { accepted: false, reason }
}
