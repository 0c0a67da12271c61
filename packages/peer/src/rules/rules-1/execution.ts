import { create, encode, heddle, protos } from '@heddle/proto'
import { WorkingState } from '../working-state.ts'
import { applyContract } from './registry.ts'
import { heldWrites, withUnfitKeys } from './unfit-keys.ts'
import type { TransactionReader } from '../../engine/transaction.ts'
import type { Execution, StateView } from '../rules.ts'

const { TxValidationCode } = protos

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
  } catch {
    // Checked before it was ordered; a quorum that orders it anyway gets the same answer everywhere.
    return { txId, code: TxValidationCode.BAD_PAYLOAD, reason: 'not a transaction' }
  }
}

/** {@link Rules.execute} of rules 1. */
export function execute(
  envelopes: readonly Uint8Array[],
  before: StateView,
  reader: TransactionReader,
): Execution {
  const state = new WorkingState(withUnfitKeys(before))
  const verdicts = envelopes.map((envelope) => applyOne(envelope, state, reader))
  const rejections = verdicts.flatMap(({ reason }, index) =>
    reason === undefined ? [] : [create(heddle.RejectionSchema, { index, reason })],
  )
  const { writes } = state
  return {
    txIds: verdicts.map(({ txId }) => txId),
    filter: Uint8Array.from(verdicts, ({ code }) => code),
    results: encode(
      heddle.TransactionResultsSchema,
      create(heddle.TransactionResultsSchema, { rejections }),
    ),
    changes: writes,
    writes: heldWrites(writes),
  }
}
