import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { StateWrite } from './ports.ts'

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
    hashField(hash, Buffer.from(write.namespace))
    hashField(hash, Buffer.from(write.key))
    hash.update(write.value === undefined ? '-' : '+')
    if (write.value !== undefined) hashField(hash, write.value)
  }
  return hash.digest()
}

/** Adds `bytes` behind their length, so that no two lists of fields hash alike. */
export function hashField(hash: Hash, bytes: Uint8Array): void {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  hash.update(length).update(bytes)
}
