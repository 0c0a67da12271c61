import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { StateWrite } from '../ports.ts'

/** The digest of a state to which nothing was applied: 32 zero bytes. */
export function stateDigestSeed(): Uint8Array {
  return new Uint8Array(32)
}

/**
 * The digest after a block: SHA-256 over the digest before it, the height and every write in order.
 *
 * It depends on the blocks alone: replicas that applied the same writes in the same order have the
 * same digest, and it is known before anything is stored. Sequences of empty batches leave it alone.
 *
 * @param previous - 32 bytes; `stateDigestSeed()` before the first block
 * @param height - number of blocks applied after this one
 */
export function nextStateDigest(
  previous: Uint8Array,
  height: bigint,
  writes: readonly StateWrite[],
): Uint8Array {
  const hash = createHash('sha256').update(previous)
  const number = Buffer.alloc(12)
  number.writeBigUInt64BE(height)
  number.writeUInt32BE(writes.length, 8)
  hash.update(number)
  for (const write of writes) {
    hash.update(frameOf(write))
    if (write.value !== undefined) hash.update(write.value)
  }
  return hash.digest()
}

/**
 * What is hashed in front of a value, in one piece, since each call of the hash costs more than its
 * bytes: namespace and key behind their lengths, then `-`, or `+` and the length of the value.
 */
function frameOf({ namespace, key, value }: StateWrite): Buffer {
  const namespaceBytes = Buffer.byteLength(namespace)
  const keyBytes = Buffer.byteLength(key)
  const mark = 8 + namespaceBytes + keyBytes
  const frame = Buffer.allocUnsafe(mark + (value === undefined ? 1 : 5))
  frame.writeUInt32BE(namespaceBytes)
  frame.write(namespace, 4)
  frame.writeUInt32BE(keyBytes, 4 + namespaceBytes)
  frame.write(key, 8 + namespaceBytes)
  frame.write(value === undefined ? '-' : '+', mark, 'latin1')
  if (value !== undefined) frame.writeUInt32BE(value.length, mark + 1)
  return frame
}

/** Adds `bytes` behind their length, so that no two lists of fields hash alike. */
export function hashField(hash: Hash, bytes: Uint8Array): void {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  hash.update(length).update(bytes)
}
