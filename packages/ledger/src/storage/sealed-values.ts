import { crc32 } from 'node:zlib'

/*
 * A value in a database file, and behind it the CRC-32 of key and value, u32: LMDB itself would not
 * notice a byte that changed on the disk.
 */

const sealBytes = 4

/** A value as it is stored under `key`. */
export function seal(key: Uint8Array, value: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(value.length + sealBytes)
  sealed.set(value)
  sealed.writeUInt32BE(crc32(value, crc32(key)), value.length)
  return sealed
}

/** Whether what is stored under `key` is a value that was stored there. */
export function isSealed(key: Uint8Array, sealed: Buffer): boolean {
  const length = sealed.length - sealBytes
  if (length < 0) return false
  return crc32(sealed.subarray(0, length), crc32(key)) === sealed.readUInt32BE(length)
}

/** The value in what is stored under `key`; undefined when that is damaged. */
export function unseal(key: Uint8Array, sealed: Buffer): Buffer | undefined {
  return isSealed(key, sealed) ? sealed.subarray(0, sealed.length - sealBytes) : undefined
}
