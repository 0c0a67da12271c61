import { create, encode, heddle, protos } from '@heddle/proto'
import { applyContract } from '../contracts/registry.ts'
import { PeerError } from '../errors.ts'
import type { StateView, StateWrite } from '../contracts/contract.ts'
import type { TransactionReader } from './transaction.ts'

const { TxValidationCode } = protos

/** What the transactions of one block did, in their order. */
export interface Execution {
  /** Empty for an envelope that is no transaction. */
  readonly txIds: readonly string[]
  /** One `protos.TxValidationCode` each: block metadata slot 2. */
  readonly filter: Uint8Array
  /** Encoded `heddle.TransactionResults`: block metadata slot 5. */
  readonly results: Uint8Array
  /** All changes; a later one of the same key wins. */
  readonly writes: readonly StateWrite[]
}

/** The state as the next transaction sees it: what this block wrote, over what was there before. */
class WorkingState implements StateView {
  readonly #before: StateView
  readonly #written = new Map<string, StateWrite>()

  constructor(before: StateView) {
    this.#before = before
  }

  get(namespace: string, key: string): Uint8Array | undefined {
    const write = this.#written.get(`${namespace}\0${key}`)
    return write === undefined ? this.#before.get(namespace, key) : write.value
  }

  write(writes: readonly StateWrite[]): void {
    for (const write of writes) this.#written.set(`${write.namespace}\0${write.key}`, write)
  }

  /** The last write of each key, in the order in which the keys were first written. */
  get writes(): StateWrite[] {
    return [...this.#written.values()]
  }
}

interface Verdict {
  readonly txId: string
  readonly code: number
  readonly reason?: string
}

function applyOne(envelope: Uint8Array, state: WorkingState, reader: TransactionReader): Verdict {
  let txId = ''
  try {
    const facts = reader.read(envelope)
    txId = facts.txId
    const outcome = applyContract(facts.contract, facts.input, state)
    if (!outcome.accepted) {
      return { txId, code: TxValidationCode.INVALID_OTHER_REASON, reason: outcome.reason }
    }
    state.write(outcome.writes)
    return { txId, code: TxValidationCode.VALID }
  } catch (error) {
    // Checked before it was ordered; a quorum that orders it anyway gets the same answer everywhere.
    if (!(error instanceof PeerError)) throw error
    return { txId, code: TxValidationCode.BAD_PAYLOAD, reason: 'not a transaction' }
  }
}

/**
 * Applies the transactions of a block to a state. A pure function of its arguments: every validator
 * gets the same result, and so does whoever replays the block.
 */
export function executeTransactions(
  envelopes: readonly Uint8Array[],
  before: StateView,
  reader: TransactionReader,
): Execution {
  const state = new WorkingState(before)
  const verdicts = envelopes.map((envelope) => applyOne(envelope, state, reader))
  const rejections = verdicts.flatMap(({ reason }, index) =>
    reason === undefined ? [] : [create(heddle.RejectionSchema, { index, reason })],
  )
  return {
    txIds: verdicts.map(({ txId }) => txId),
    filter: Uint8Array.from(verdicts, ({ code }) => code),
    results: encode(
      heddle.TransactionResultsSchema,
      create(heddle.TransactionResultsSchema, { rejections }),
    ),
    writes: state.writes,
  }
}
