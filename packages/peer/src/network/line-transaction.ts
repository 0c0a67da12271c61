import { hash } from 'node:crypto'
import { accountsContract, isTransfer } from '../rules/rules-2/accounts.ts'
import { readLine } from '../rules/rules-2/lines.ts'
import { recordKey, recordsContract } from '../rules/rules-2/records.ts'

/** A line of the input as a call of a contract. */
export interface LineCall {
  readonly contract: string
  readonly input: Uint8Array
  readonly record?: { readonly key: string; readonly digest: string }
}

/** SHA-256 in hexadecimal. */
export function digestOf(content: Uint8Array): string {
  return hash('sha256', content, 'hex')
}

/**
 * Which contract a line is for, and what it hands to it.
 * @throws {PeerError} PEER_BAD_LINE when the line is no JSON object
 */
export function lineCall(text: string): LineCall {
  const members = readLine(text)
  const input = Buffer.from(text)
  if (isTransfer(members)) return { contract: accountsContract, input }
  const key = recordKey(members, input)
  // Without a key the validators reject it, and say why in the block.
  if (typeof key !== 'string') return { contract: recordsContract, input }
  return { contract: recordsContract, input, record: { key, digest: digestOf(input) } }
}
