import { hash } from 'node:crypto'
import { messageOf } from '../../errors.ts'
import { accept, reject } from './contract.ts'
import { jsonMembers } from './json-members.ts'
import { textOf } from './text.ts'
import type { Contract } from './contract.ts'
import type { JsonMember } from './json-members.ts'

/** Name and namespace of the records contract. */
export const recordsContract = 'records'

/** Longest `id`, in UTF-8 bytes: it is a key of the state store. */
export const maxRecordIdBytes = 512

/**
 * The key of a record: its `id` when that is a text or a number (as it is written), otherwise the
 * SHA-256 of its content, in hexadecimal. The key of an id that is too long is undefined.
 */
export function recordKey(
  members: ReadonlyMap<string, JsonMember>,
  content: Uint8Array,
): string | undefined {
  const member = members.get('id')
  const id = member?.value
  if (typeof id === 'number') return member?.source
  if (typeof id === 'string' && id !== '') {
    return Buffer.byteLength(id) <= maxRecordIdBytes ? id : undefined
  }
  return hash('sha256', content, 'hex')
}

/**
 * Keeps any JSON object, byte for byte, under {@link recordKey}. The same content again is accepted
 * and changes nothing; other content under an id that exists is rejected.
 */
export const records: Contract = {
  name: recordsContract,
  apply(input, state) {
    let key: string | undefined
    try {
      key = recordKey(jsonMembers(textOf(input)), input)
    } catch (error) {
      return reject(messageOf(error))
    }
    if (key === undefined) return reject(`id is longer than ${maxRecordIdBytes} bytes`)
    const existing = state.get(recordsContract, key)
    if (existing === undefined) return accept({ namespace: recordsContract, key, value: input })
    if (Buffer.compare(existing, input) === 0) return accept()
    return reject(`record ${key} exists with other content`)
  },
}
