import { create, encode, heddle, protos } from '@heddle/proto'
import { rulesContract } from '../../switch/switch.ts'
import { WorkingState } from '../working-state.ts'
import { accept, reject } from './contract.ts'
import { applyContract } from './contracts.ts'
import type { TransactionFacts, TransactionReader } from '../../engine/transaction.ts'
import type { SwitchFault, SwitchJudge } from '../../switch/switch.ts'
import type { Execution } from '../rules.ts'
import type { StateView } from '../state-view.ts'
import type { Outcome, RejectionReason } from './contract.ts'

const faultCodes: Readonly<Record<SwitchFault, heddle.RejectionCode>> = {
  malformed: heddle.RejectionCode.SWITCH_MALFORMED,
  nothingToSwitch: heddle.RejectionCode.SWITCH_TO_NOTHING_ELSE,
  notGoodHere: heddle.RejectionCode.SWITCH_NOT_GOOD_HERE,
  notSigned: heddle.RejectionCode.SWITCH_NOT_SIGNED,
}

const { BAD_PAYLOAD, INVALID_OTHER_REASON, VALID } = protos.TxValidationCode

interface Verdict {
  readonly txId: string
  readonly code: number
  readonly reason?: RejectionReason
}

function factsOf(envelope: Uint8Array, reader: TransactionReader): TransactionFacts | undefined {
  try {
    return reader.read(envelope)
  } catch {
    // Checked before it was ordered; a quorum that orders it anyway gets the same answer everywhere.
    return undefined
  }
}

function outcomeOf(
  { contract, input }: TransactionFacts,
  state: WorkingState,
  judge: SwitchJudge,
): Outcome {
  if (contract !== rulesContract) return applyContract(contract, input, state)
  const verdict = judge(input, state)
  return verdict.accepted ? accept(...verdict.writes) : reject(faultCodes[verdict.fault])
}

function applyOne(
  facts: TransactionFacts | undefined,
  state: WorkingState,
  judge: SwitchJudge,
): Verdict {
  if (facts === undefined) {
    const reason = { code: heddle.RejectionCode.NOT_A_TRANSACTION, details: [] }
    return { txId: '', code: BAD_PAYLOAD, reason }
  }
  const { txId } = facts
  const outcome = outcomeOf(facts, state, judge)
  if (!outcome.accepted) return { txId, code: INVALID_OTHER_REASON, reason: outcome.reason }
  state.write(outcome.writes)
  return { txId, code: VALID }
}

function encodeResults(verdicts: readonly Verdict[]): Uint8Array {
  const rejections = verdicts.flatMap(({ reason }, index) =>
    reason === undefined
      ? []
      : [
          create(heddle.RejectionSchema, {
            index,
            code: reason.code,
            details: [...reason.details],
          }),
        ],
  )
  const results = create(heddle.TransactionResultsSchema, { rejections })
  return encode(heddle.TransactionResultsSchema, results)
}

/** {@link Rules.execute} of rules 2. */
export function execute(
  envelopes: readonly Uint8Array[],
  before: StateView,
  reader: TransactionReader,
  judge: SwitchJudge,
): Execution {
  const state = new WorkingState(before)
  const verdicts = envelopes.map((envelope) => applyOne(factsOf(envelope, reader), state, judge))
  state.assertRead()
  const { writes } = state
  return {
    txIds: verdicts.map(({ txId }) => txId),
    filter: Uint8Array.from(verdicts, ({ code }) => code),
    results: encodeResults(verdicts),
    changes: writes,
    writes,
  }
}
