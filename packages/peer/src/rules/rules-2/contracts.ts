import { isStateWrite } from '@heddle/ledger'
import { heddle } from '@heddle/proto'
import { accounts } from './accounts.ts'
import { reject } from './contract.ts'
import { cut } from './detail.ts'
import { records } from './records.ts'
import type { StateView, StateWrite } from '../state-view.ts'
import type { Contract, Outcome } from './contract.ts'

const { CONTRACT_FAILED, UNFIT_RESULT, UNKNOWN_CONTRACT } = heddle.RejectionCode

const builtIn = new Map<string, Contract>([accounts, records].map((each) => [each.name, each]))

/** The names of the contracts that every validator runs. */
export const contractNames: readonly string[] = [...builtIn.keys()]

/** Most changes of the state by one transaction. */
export const maxWrites = 1000

function areFit(writes: readonly StateWrite[], namespace: string): boolean {
  return (
    writes.length <= maxWrites &&
    writes.every((write) => write.namespace === namespace && isStateWrite(write))
  )
}

/** @throws whatever the contract throws, or TypeError for an outcome that is none */
function checkedOutcome(contract: Contract, input: Uint8Array, state: StateView): Outcome {
  const outcome = contract.apply(input, state)
  return !outcome.accepted || areFit(outcome.writes, contract.name) ? outcome : reject(UNFIT_RESULT)
}

/**
 * Runs a contract. Whatever it does, its transaction alone bears it: one that throws, or writes what
 * the state cannot hold or is not its own, is rejected.
 */
export function runContract(contract: Contract, input: Uint8Array, state: StateView): Outcome {
  try {
    return checkedOutcome(contract, input, state)
  } catch {
    return reject(CONTRACT_FAILED)
  }
}

/** Applies one transaction. An unknown contract is a rejection like any other. */
export function applyContract(name: string, input: Uint8Array, state: StateView): Outcome {
  const contract = builtIn.get(name)
  if (contract === undefined) return reject(UNKNOWN_CONTRACT, cut(name))
  return runContract(contract, input, state)
}
