import { accounts } from './accounts.ts'
import { reject } from './contract.ts'
import { records } from './records.ts'
import type { StateView } from '../state-view.ts'
import type { Contract, Outcome } from './contract.ts'

const builtIn = new Map<string, Contract>([accounts, records].map((each) => [each.name, each]))

/** Applies one transaction. An unknown contract is a rejection like any other. */
export function applyContract(name: string, input: Uint8Array, state: StateView): Outcome {
  const contract = builtIn.get(name)
  return contract?.apply(input, state) ?? reject(`no such contract: ${name.slice(0, 40)}`)
}
