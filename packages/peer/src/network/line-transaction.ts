import { hash } from 'node:crypto'
import { sentenceOf } from '@heddle/client'
import { PeerError } from '../errors.ts'
import { accountsContract, isTransfer, readTransfer } from '../rules/rules-2/accounts.ts'
import { readLine } from '../rules/rules-2/lines.ts'
import { recordKey, recordsContract } from '../rules/rules-2/records.ts'
import type { Rejected } from '../rules/rules-2/contract.ts'

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

function refused({ reason }: Rejected): PeerError {
  return new PeerError('PEER_BAD_LINE', sentenceOf(reason))
}

/**
 * Which contract a line is for, and what it hands to it.
 * @throws {PeerError} PEER_BAD_LINE when the line is not a JSON object, or one that no validator would
 * ever accept, whatever the state
 */
export function lineCall(text: string): LineCall {
  const members = readLine(text)
  const input = Buffer.from(text)
  if (isTransfer(members)) {
    const transfer = readTransfer(members)
    if ('accepted' in transfer) throw refused(transfer)
    return { contract: accountsContract, input }
  }
  const key = recordKey(members, input)
  if (typeof key !== 'string') throw refused(key)
  return { contract: recordsContract, input, record: { key, digest: digestOf(input) } }
}
