import { messageOf } from '../../errors.ts'
import { accept, reject } from './contract.ts'
import { jsonMembers } from './json-members.ts'
import { textOf } from './text.ts'
import type { StateView } from '../state-view.ts'
import type { Contract, Outcome } from './contract.ts'
import type { JsonMember } from './json-members.ts'

/** Name and namespace of the accounts contract. */
export const accountsContract = 'accounts'

/** Longest account name, in UTF-8 bytes: it is a key of the state store. */
export const maxAccountNameBytes = 512

/** Most decimal digits of an amount or a balance. */
export const maxAmountDigits = 38

/** A transfer, checked: what {@link readTransfer} makes of a line. */
export interface Transfer {
  readonly from: string
  readonly to: string
  readonly amount: bigint
}

const fields = ['from', 'to', 'amount']
const integer = /^(0|[1-9][0-9]*)$/

/**
 * Whole units from JSON digits.
 * @returns the amount, or the reason why the digits are none
 */
export function readAmount(source: string): bigint | string {
  if (source.startsWith('-')) return `amount ${source.slice(0, 40)} is negative`
  if (!integer.test(source)) return `amount ${source.slice(0, 40)} is not a whole number`
  if (source.length > maxAmountDigits) return `amount has more than ${maxAmountDigits} digits`
  return BigInt(source)
}

function nameProblem(field: string, member: JsonMember | undefined): string | undefined {
  if (member === undefined) return `${field} is missing`
  const name = member.value
  if (typeof name !== 'string' || name === '') return `${field} is not the name of an account`
  if (Buffer.byteLength(name) > maxAccountNameBytes) {
    return `${field} is longer than ${maxAccountNameBytes} bytes`
  }
  return undefined
}

/**
 * Checks the shape of a transfer.
 * @returns the transfer, or the reason why it is none
 */
export function readTransfer(members: ReadonlyMap<string, JsonMember>): Transfer | string {
  for (const name of members.keys()) {
    if (!fields.includes(name)) {
      return `unknown field ${JSON.stringify(name.slice(0, 40))}: a transfer has from, to and amount`
    }
  }
  const problem = nameProblem('from', members.get('from')) ?? nameProblem('to', members.get('to'))
  if (problem !== undefined) return problem
  const amountMember = members.get('amount')
  if (amountMember === undefined) return 'amount is missing'
  const amount = readAmount(amountMember.source)
  if (typeof amount === 'string') return amount
  // Both were checked to be strings above.
  return {
    from: members.get('from')?.value as string,
    to: members.get('to')?.value as string,
    amount,
  }
}

/** A balance as it is kept: decimal digits in UTF-8. */
export function encodeBalance(balance: bigint): Uint8Array {
  return Buffer.from(balance.toString())
}

/** The reverse of {@link encodeBalance}, for values that this contract wrote. */
export function decodeBalance(value: Uint8Array): bigint {
  return BigInt(Buffer.from(value).toString())
}

function transfer(request: Transfer, state: StateView): Outcome {
  const held = state.get(accountsContract, request.from)
  if (held === undefined) return reject(`no such account: ${request.from}`)
  const balance = decodeBalance(held)
  if (balance < request.amount) {
    return reject(`overdraws ${request.from}: balance ${balance}, amount ${request.amount}`)
  }
  // To oneself: allowed when covered, and changes nothing.
  if (request.from === request.to) return accept()
  const target = state.get(accountsContract, request.to)
  const received = (target === undefined ? 0n : decodeBalance(target)) + request.amount
  const write = (key: string, value: bigint) => ({
    namespace: accountsContract,
    key,
    value: encodeBalance(value),
  })
  return accept(write(request.from, balance - request.amount), write(request.to, received))
}

/**
 * Applies `{"from", "to", "amount"}`: moves whole units between accounts. A payer must exist and be
 * able to pay; a payee that does not exist comes into being. The sum over all accounts never changes.
 */
export const accounts: Contract = {
  name: accountsContract,
  apply(input, state) {
    try {
      const request = readTransfer(jsonMembers(textOf(input)))
      return typeof request === 'string' ? reject(request) : transfer(request, state)
    } catch (error) {
      return reject(messageOf(error))
    }
  },
}
