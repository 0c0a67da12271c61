import { LedgerError } from '../errors.ts'
import type { Savepoint, StateWrite } from '../ports.ts'
import { stateDigestSeed } from './state-digest.ts'

/*
 * Keys of the state in its key-value store: `e`, namespace, NUL, key → value; `s` → savepoint as
 * height u64, sequence u64, digest 32.
 */

/** Most bytes of a namespace, in UTF-8. */
export const maxNamespaceBytes = 64
/** Most bytes of a key, in UTF-8. */
export const maxKeyBytes = 1_024
/** Most bytes of a value. */
export const maxValueBytes = 64 * 1024 * 1024
/** Most bytes of the key of an entry. */
export const maxEntryKeyBytes = 1 + maxNamespaceBytes + 1 + maxKeyBytes

/** The key of the savepoint. */
export const savepointKey = Buffer.from('s')
/** Before every entry. */
export const entriesStart = Buffer.from('e')
/** Behind every entry. */
export const entriesEnd = Buffer.from('f')

/** The key of an entry, as text: its UTF-8 is the key. */
export const entryName = (namespace: string, key: string): string => `e${namespace}\0${key}`

/** Behind every key of the namespace: what follows its name is 1 instead of NUL. */
export const namespaceEnd = (namespace: string): Buffer => Buffer.from(`e${namespace}\x01`)

/** Whether there can be an entry of this name. */
export function isName(namespace: string, key: string): boolean {
  return (
    isWithin(namespace, maxNamespaceBytes) &&
    isWithin(key, maxKeyBytes) &&
    !namespace.includes('\0') &&
    // Half a surrogate pair has no UTF-8: two different keys would become one.
    isWellFormed(namespace) &&
    isWellFormed(key)
  )
}

/** `String.prototype.isWellFormed` of ES2024, which every supported Node has, in TypeScript's ES2022. */
function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed()
}

/**
 * Whether a {@link StateStore} takes this change: ask before others build on it, because `apply`
 * rejects all changes of a block for one that does not fit.
 */
export function isStateWrite({ namespace, key, value }: StateWrite): boolean {
  return isName(namespace, key) && (value === undefined || value.length <= maxValueBytes)
}

/** @throws LedgerError LEDGER_BAD_KEY or LEDGER_TOO_LARGE unless {@link isStateWrite} */
export function checkWrite(write: StateWrite): void {
  if (isStateWrite(write)) return
  if (isName(write.namespace, write.key)) {
    const message = `a value has more than ${maxValueBytes} bytes`
    throw new LedgerError('LEDGER_TOO_LARGE', message)
  }
  const message =
    `a namespace must have 1 to ${maxNamespaceBytes} bytes of UTF-8 without NUL, ` +
    `a key 1 to ${maxKeyBytes} bytes of UTF-8`
  throw new LedgerError('LEDGER_BAD_KEY', message)
}

/** The value under the savepoint's key. */
export function encodeSavepoint({ height, sequence, digest }: Savepoint): Buffer {
  const bytes = Buffer.alloc(48)
  bytes.writeBigUInt64BE(height)
  bytes.writeBigUInt64BE(sequence, 8)
  bytes.set(digest, 16)
  return bytes
}

/** The savepoint in what is stored under its key; that of an empty state when nothing is. */
export function decodeSavepoint(value: Uint8Array | undefined): Savepoint {
  if (value?.length !== 48) return { height: 0n, sequence: 0n, digest: stateDigestSeed() }
  const bytes = Buffer.from(value)
  return {
    height: bytes.readBigUInt64BE(),
    sequence: bytes.readBigUInt64BE(8),
    digest: Uint8Array.from(bytes.subarray(16)),
  }
}

function isWithin(text: string, most: number): boolean {
  const bytes = Buffer.byteLength(text)
  return bytes >= 1 && bytes <= most
}
