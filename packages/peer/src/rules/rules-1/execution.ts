import { create, encode, heddle, protos } from '@heddle/proto'
import { rulesContract } from '../../switch/switch.ts'
import { WorkingState } from '../working-state.ts'
import { applyContract } from './registry.ts'
import { heldWrites, withUnfitKeys } from './unfit-keys.ts'
import type { TransactionFacts, TransactionReader } from '../../engine/transaction.ts'
import type { SwitchJudge } from '../../switch/switch.ts'
import type { Execution } from '../rules.ts'
import type { StateView } from '../state-view.ts'

const { TxValidationCode } = protos

interface Verdict {
  readonly txId: string
  readonly code: number
  readonly reason?: string
}

/** What all transactions of one block are executed with. */
interface Block {
  readonly state: WorkingState
  readonly reader: TransactionReader
  readonly judge: SwitchJudge
}

/**
 * Makes a switch of rules, if it is a good one. Any other call of that contract has the answer that
 * these rules always gave: there is no such contract. No software that does not know it meets a good
 * one: all validators have signed that theirs does.
 */
function switches({ contract, input }: TransactionFacts, { state, judge }: Block): boolean {
  const verdict = contract === rulesContract ? judge(input, state) : undefined
  if (verdict?.accepted !== true) return false
  state.write(verdict.writes)
  return true
}

function applyOne(envelope: Uint8Array, block: Block): Verdict {
  const { state, reader } = block
  let txId = ''
  try {
    const facts = reader.read(envelope)
    txId = facts.txId
    if (switches(facts, block)) return { txId, code: TxValidationCode.VALID }
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
  judge: SwitchJudge,
): Execution {
  const state = new WorkingState(withUnfitKeys(before))
  const block = { state, reader, judge }
  const verdicts = envelopes.map((envelope) => applyOne(envelope, block))
  state.assertRead()
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
