import type { heddle } from '@heddle/proto'
import type { StateView, StateWrite } from '../state-view.ts'

/** Why a transaction changes nothing. */
export interface RejectionReason {
  readonly code: heddle.RejectionCode
  /** Bytes of the input or of the state; of what they are, each code says itself. */
  readonly details: readonly Uint8Array[]
}

/** A transaction that changes nothing. */
export interface Rejected {
  readonly accepted: false
  readonly reason: RejectionReason
}

/** The outcome of a transaction: its writes, or the reason why it changes nothing. */
export type Outcome = { readonly accepted: true; readonly writes: readonly StateWrite[] } | Rejected

/**
 * A deterministic program over the state. `apply` is a pure function of its arguments: no clock, no
 * randomness, no I/O. Should it throw, or write what the state cannot hold, its transaction is rejected.
 */
export interface Contract {
  /** Also the namespace that it writes; it cannot write another. */
  readonly name: string
  /** What `input`, as received, does to `state`. */
  apply(input: Uint8Array, state: StateView): Outcome
}

/** An accepted transaction with its writes. */
export function accept(...writes: StateWrite[]): Outcome {
  return { accepted: true, writes }
}

/** A rejected transaction. */
export function reject(code: heddle.RejectionCode, ...details: readonly Uint8Array[]): Rejected {
  return { accepted: false, reason: { code, details } }
}
