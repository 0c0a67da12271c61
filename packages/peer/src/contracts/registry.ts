import { accounts, accountsContract, isTransfer } from './accounts.ts'
import { reject } from './contract.ts'
import { jsonMembers } from './json-members.ts'
import { records, recordsContract } from './records.ts'
import type { Contract, Outcome, StateView } from './contract.ts'

const builtIn = new Map<string, Contract>([accounts, records].map((each) => [each.name, each]))

/** The names of the contracts that every validator runs. */
export const contractNames: readonly string[] = [...builtIn.keys()]

/** Applies one transaction. An unknown contract is a rejection like any other. */
export function applyContract(name: string, input: Uint8Array, state: StateView): Outcome {
  const contract = builtIn.get(name)
  return contract?.apply(input, state) ?? reject(`no such contract: ${name.slice(0, 40)}`)
}

/**
 * Which contract a line is for: `accounts` when it has from, to and amount, otherwise `records`.
 * @throws {PeerError} PEER_BAD_LINE when the line is no JSON object
 */
export function contractOf(line: string): string {
  return isTransfer(jsonMembers(line)) ? accountsContract : recordsContract
}
