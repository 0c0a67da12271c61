import { hash } from 'node:crypto'
import { isStateWrite } from '@heddle/ledger'
import { heddle } from '@heddle/proto'
import { accept, reject } from './contract.ts'
import { cut } from './detail.ts'
import { isObject, readInput } from './json-object.ts'
import type { Contract, Rejected } from './contract.ts'
import type { JsonObject } from './json-object.ts'

const code = heddle.RejectionCode

/** Name and namespace of the records contract. */
export const recordsContract = 'records'

/** Longest `id`, in UTF-8 bytes, of a number as it is written: it is a key of the state store. */
export const maxRecordIdBytes = 512

/** The `id` of an object when that is a text or a number (as it is written). */
function idOf(members: JsonObject): string | undefined {
  const member = members.get('id')
  const id = member?.isNumber === true ? member.source : member?.text
  return id === '' ? undefined : id
}

/**
 * The key of a record: its `id` when that is a text or a number (as it is written), otherwise the
 * SHA-256 of its content, in hexadecimal; or why there is none.
 */
export function recordKey(members: JsonObject, content: Uint8Array): string | Rejected {
  const id = idOf(members)
  if (id === undefined) return hash('sha256', content, 'hex')
  if (Buffer.byteLength(id) > maxRecordIdBytes) return reject(code.ID_TOO_LONG)
  const fits = isStateWrite({ namespace: recordsContract, key: id, value: undefined })
  return fits ? id : reject(code.ID_NOT_TEXT)
}

/**
 * Keeps any JSON object, byte for byte, under {@link recordKey}. The same content again is accepted
 * and changes nothing; other content under an id that exists is rejected.
 */
export const records: Contract = {
  name: recordsContract,
  apply(input, state) {
    const members = readInput(input)
    if (!isObject(members)) return { accepted: false, reason: members }
    const key = recordKey(members, input)
    if (typeof key !== 'string') return key
    const existing = state.get(recordsContract, key)
    if (existing === undefined) return accept({ namespace: recordsContract, key, value: input })
    if (Buffer.compare(existing, input) === 0) return accept()
    return reject(code.RECORD_EXISTS, cut(key))
  },
}
