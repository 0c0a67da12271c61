import type { TransactionReader } from '../engine/transaction.ts'
import type { SwitchJudge } from '../switch/switch.ts'
import type { StateView, StateWrite } from './state-view.ts'

/** What the transactions of one block did, in their order. */
export interface Execution {
  /** Empty for an envelope that is no transaction. */
  readonly txIds: readonly string[]
  /** One `protos.TxValidationCode` each: block metadata slot 2. */
  readonly filter: Uint8Array
  /** Encoded `heddle.TransactionResults`: block metadata slot 5. */
  readonly results: Uint8Array
  /** What the state digest covers: all changes, of each key the last. */
  readonly changes: readonly StateWrite[]
  /** How the state holds these changes: every one of them fits the store. */
  readonly writes: readonly StateWrite[]
}

/**
 * What decides the bytes of results: what becomes of each transaction, how that is written down, and
 * what changes. Rules that ever executed a block are never changed again, or the block could not be
 * executed again: a change is a new number, which takes effect at one block on all validators.
 */
export interface Rules {
  /** 1 and above; the signed proof of a block names it. */
  readonly number: number
  /**
   * Applies the transactions of a block to a state. A pure function of its arguments, the same on
   * every machine: what does not fit is a rejection of that one transaction. It throws nothing but
   * what reading the state throws.
   *
   * @param judge - what becomes of a switch of rules: the same under all of them
   */
  execute(
    envelopes: readonly Uint8Array[],
    before: StateView,
    reader: TransactionReader,
    judge: SwitchJudge,
  ): Execution
  /**
   * Whether the results in a stored block, which are those that its quorum signed, say what `own`
   * says. Always so when the bytes are equal, which for all but rules 1 is the only way.
   */
  isSameResult(stored: Uint8Array, own: Uint8Array): boolean
}
