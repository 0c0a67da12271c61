import { PeerError } from '../errors.ts'
import { rulesNamespace } from './in-force.ts'
import { rules1 } from './rules-1/rules-1.ts'
import { unfitNamespace } from './rules-1/unfit-keys.ts'
import { contractNames } from './rules-2/contracts.ts'
import { rules2 } from './rules-2/rules-2.ts'
import type { Rules } from './rules.ts'

const known: readonly Rules[] = [rules1, rules2]

/** Namespaces of a state, whatever rules made it: what contracts write, and what the rules keep. */
export const stateNamespaces: readonly string[] = [
  ...contractNames,
  ...contractNames.map(unfitNamespace),
  rulesNamespace,
]

/** The numbers of the rules that this software can execute, ascending. */
export const knownRules: readonly number[] = known.map(({ number }) => number)

/** What new networks begin with. */
export const newestRules = Math.max(...knownRules)

/**
 * The rules of a number.
 * @param block - number of the block that needs them, for the message
 * @throws {PeerError} PEER_UNKNOWN_RULES
 */
export function rulesOf(number: number, block: bigint): Rules {
  const rules = known.find((each) => each.number === number)
  if (rules !== undefined) return rules
  throw unknownRules(number, block)
}

/** PEER_UNKNOWN_RULES: what {@link rulesOf} throws. */
export function unknownRules(number: number, block: bigint): PeerError {
  return new PeerError(
    'PEER_UNKNOWN_RULES',
    `block ${block} needs rules ${number}; this software knows ${knownRules.join(', ')}`,
    { cure: `install a version of heddle that knows rules ${number}` },
  )
}
