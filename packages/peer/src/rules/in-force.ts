import type { StateView, StateWrite } from './rules.ts'

/** Where the state keeps which rules are in force. No contract has this name. */
export const rulesNamespace = 'rules'

const numberKey = 'number'

/** Of chains that began before rules were numbered. */
const firstRules = 1

/** The number of the rules by which the next block is executed, on top of this state. */
export function rulesInForce(state: StateView): number {
  const value = state.get(rulesNamespace, numberKey)
  return value === undefined ? firstRules : Number(Buffer.from(value).toString('latin1'))
}

/** The change of the state after which `number` is in force: from the next block on. */
export function rulesWrite(number: number): StateWrite {
  const value = Buffer.from(number.toString(), 'latin1')
  return { namespace: rulesNamespace, key: numberKey, value }
}
