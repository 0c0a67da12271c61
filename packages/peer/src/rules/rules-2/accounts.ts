import { isStateWrite } from '@heddle/ledger'
import { heddle } from '@heddle/proto'
import { accept, reject } from './contract.ts'
import { cut } from './detail.ts'
import { isObject, readInput } from './json-object.ts'
import type { StateView } from '../state-view.ts'
import type { Contract, Outcome, Rejected } from './contract.ts'
import type { JsonObject } from './json-object.ts'

const code = heddle.RejectionCode

/** Name and namespace of the accounts contract. */
export const accountsContract = 'accounts'

/** Longest account name, in UTF-8 bytes: it is a key of the state store. */
export const maxAccountNameBytes = 512

/** Most decimal digits of an amount or of an account at the beginning. */
export const maxAmountDigits = 38

const fields = ['from', 'to', 'amount']

/** Whether an object is meant for this contract: it has all of `from`, `to` and `amount`. */
export function isTransfer(members: JsonObject): boolean {
  return fields.every((field) => members.has(field))
}

/** Whole units from the JSON of an amount; or what is wrong with it. */
export function readAmount(source: string): bigint | Rejected {
  if (source.startsWith('-')) return reject(code.AMOUNT_NEGATIVE, cut(source))
  if (/[^0-9]/.test(source)) return reject(code.AMOUNT_NOT_WHOLE, cut(source))
  return source.length > maxAmountDigits ? reject(code.AMOUNT_TOO_LONG) : BigInt(source)
}

/** What is wrong with the name of an account. */
export function nameProblem(name: string | undefined): heddle.RejectionCode | undefined {
  if (name === undefined || name === '') return code.NOT_A_NAME
  if (Buffer.byteLength(name) > maxAccountNameBytes) return code.NAME_TOO_LONG
  const fits = isStateWrite({ namespace: accountsContract, key: name, value: undefined })
  return fits ? undefined : code.NAME_NOT_TEXT
}

/** The name in a field of a transfer; or what is wrong with it. */
function readName(members: JsonObject, field: string): string | Rejected {
  const name = members.get(field)?.text
  const problem = nameProblem(name)
  return problem === undefined && name !== undefined
    ? name
    : reject(problem ?? code.NOT_A_NAME, Buffer.from(field))
}

/** A transfer, checked. */
export interface Transfer {
  readonly from: string
  readonly to: string
  readonly amount: bigint
}

/** The transfer that an object is; or what is wrong with it, whatever the state. */
export function readTransfer(members: JsonObject): Transfer | Rejected {
  for (const [name, member] of members) {
    if (!fields.includes(name)) return reject(code.UNKNOWN_FIELD, cut(member.name))
  }
  const missing = fields.find((field) => !members.has(field))
  if (missing !== undefined) return reject(code.FIELD_MISSING, Buffer.from(missing))
  const [from, to] = [readName(members, 'from'), readName(members, 'to')]
  if (typeof from !== 'string') return from
  if (typeof to !== 'string') return to
  const amount = readAmount(members.get('amount')?.source ?? '')
  return typeof amount === 'bigint' ? { from, to, amount } : amount
}

/** A balance as it is kept: decimal digits in UTF-8. */
export function encodeBalance(balance: bigint): Uint8Array {
  return Buffer.from(balance.toString())
}

/** The reverse of {@link encodeBalance}, for values that this contract wrote. */
export function decodeBalance(value: Uint8Array): bigint {
  return BigInt(Buffer.from(value).toString())
}

function transfer({ from, to, amount }: Transfer, state: StateView): Outcome {
  const held = state.get(accountsContract, from)
  if (held === undefined) return reject(code.NO_SUCH_ACCOUNT, cut(from))
  const balance = decodeBalance(held)
  if (balance < amount) {
    return reject(code.OVERDRAWN, cut(from), held, encodeBalance(amount))
  }
  // To oneself: allowed when covered, and changes nothing.
  if (from === to) return accept()
  const target = state.get(accountsContract, to)
  const received = (target === undefined ? 0n : decodeBalance(target)) + amount
  const write = (key: string, value: bigint) => ({
    namespace: accountsContract,
    key,
    value: encodeBalance(value),
  })
  return accept(write(from, balance - amount), write(to, received))
}

/**
 * Applies `{"from", "to", "amount"}`: moves whole units between accounts. A payer must exist and be
 * able to pay; a payee that does not exist comes into being. The sum over all accounts never changes.
 */
export const accounts: Contract = {
  name: accountsContract,
  apply(input, state) {
    const members = readInput(input)
    if (!isObject(members)) return { accepted: false, reason: members }
    const request = readTransfer(members)
    return 'accepted' in request ? request : transfer(request, state)
  },
}
