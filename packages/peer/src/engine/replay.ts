import { rulesNumberOf, signaturesOf, signedContentOf, signedValueOf } from '@heddle/client'
import { PeerError } from '../errors.ts'
import { rulesInForce } from '../rules/in-force.ts'
import { rulesOf } from '../rules/known-rules.ts'
import { buildCandidate, candidateOf, encodeCandidate } from './candidate.ts'
import { StateDiverged } from './state-diverged.ts'
import type { Received, common } from '@heddle/proto'
import type { Rules } from '../rules/rules.ts'
import type { Batch, Candidate, CandidateDeps } from './candidate.ts'

/** What a stored block is executed on. */
export type ReplayDeps = Omit<CandidateDeps, 'rules'>

const cure =
  'run the same version on all validators; otherwise move the folder `ledger` away (not `journal`) to fetch it anew'

function differs(number: bigint, how: string): PeerError {
  return new PeerError('PEER_LEDGER_FAILED', `block ${number} ${how}`, { cure })
}

/** The rules that the block names, which must be those in force. */
function rulesFor({ before, state }: ReplayDeps, named: number): Rules {
  const inForce = rulesInForce(state)
  if (named === inForce) return rulesOf(named, before.height)
  throw differs(before.height, `was made by rules ${named}, while rules ${inForce} are in force`)
}

/** The block with the results that are stored with it, if they say what its execution gave. */
function asStored(
  deps: CandidateDeps,
  batch: Batch,
  { own, stored }: { readonly own: Candidate; readonly stored: Uint8Array },
): Candidate {
  const { execution } = own
  if (!deps.rules.isSameResult(stored, execution.results)) return own
  return candidateOf(deps, batch, { ...execution, results: stored })
}

/**
 * Executes a block that a quorum signed, by the rules that it names; it must come out as they signed
 * it. Reasons that rules 1 took from V8 are taken as they are stored: the quorum signed their digest.
 *
 * @throws {StateDiverged} when it does not; {@link PeerError} PEER_LEDGER_FAILED when other rules are in
 *   force, CLIENT_BLOCK_ALTERED, PEER_UNKNOWN_RULES
 */
export function reexecute(deps: ReplayDeps, block: common.Block): Candidate {
  const { proof, results: stored } = signedContentOf(block)
  const rules = rulesFor(deps, rulesNumberOf(proof))
  const withRules = { ...deps, rules }
  const batch = { sequence: proof.sequence, envelopes: block.data?.data ?? [] }
  const own = buildCandidate(withRules, batch)
  const candidate = asStored(withRules, batch, { own, stored })
  if (Buffer.compare(candidate.value, signedValueOf(block)) === 0) return candidate
  const { height } = deps.before
  throw new StateDiverged(height, `block ${height} gives other results here than its quorum signed`)
}

/**
 * As {@link reexecute}, for a block that another validator gave: besides its signatures, which whoever
 * pulled it has checked, it must have no byte that does not follow from what was signed.
 */
export function reexecuteReceived(
  deps: ReplayDeps,
  { message, bytes }: Received<common.Block>,
): Candidate {
  const candidate = reexecute(deps, message)
  if (Buffer.compare(encodeCandidate(candidate, signaturesOf(message)), bytes) === 0)
    return candidate
  throw differs(deps.before.height, 'holds metadata that its quorum did not sign')
}
