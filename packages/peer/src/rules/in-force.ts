import type { StateView, StateWrite } from './state-view.ts'

/** Where the state keeps which rules are in force. The contract of switches writes it, under all rules. */
export const rulesNamespace = 'rules'

const numberKey = 'number'
const sinceKey = 'since'

/** Of chains that began before rules were numbered. */
const firstRules = 1

/** The number of the rules by which the next block is executed, on top of this state. */
export function rulesInForce(state: StateView): number {
  const value = state.get(rulesNamespace, numberKey)
  return value === undefined ? firstRules : Number(Buffer.from(value).toString('latin1'))
}

/** The first block that is executed by them; 0 for those that the chain began with. */
export function rulesSince(state: StateView): bigint {
  const value = state.get(rulesNamespace, sinceKey)
  return value === undefined ? 0n : BigInt(Buffer.from(value).toString('latin1'))
}

/** The change of the state after which `number` is in force: from the next block on. */
export function rulesWrite(number: number): StateWrite {
  return write(numberKey, number)
}

/** The changes by a switch in the block before `since`. */
export function switchWrites(number: number, since: bigint): StateWrite[] {
  return [rulesWrite(number), write(sinceKey, since)]
}

/** The number of the rules that changes put in force; undefined when they put none. */
export function switchedTo(writes: readonly StateWrite[]): number | undefined {
  const own = writes.filter(({ namespace }) => namespace === rulesNamespace)
  if (own.length === 0) return undefined
  return rulesInForce({ get: (_, wanted) => own.find(({ key }) => key === wanted)?.value })
}

function write(key: string, value: number | bigint): StateWrite {
  return { namespace: rulesNamespace, key, value: Buffer.from(value.toString(), 'latin1') }
}
