import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/*
 * A record file: a header of 32 bytes, then records, each a header of 32 bytes and a body.
 * Numbers are big-endian.
 *
 *   file header    magic 8 · first sequence u64 · salt 8 · zero u32 · CRC-32 of bytes 0-27
 *   record header  magic 4 · body length u32 · sequence u64 · group start u48 · zero u16 ·
 *                  CRC-32 of the body · CRC-32 of the salt and bytes 0-27
 *
 * The salt is random for each file: nobody who chooses a body can put a header into it that counts.
 * The group start is the offset to which the file was synced when the record was written. It tells
 * a torn tail from damage: what follows a torn record was written in the same group.
 */

/** Bytes of the header of a file, and of a record. */
export const headerBytes = 32

const fileMagic = Buffer.from('HDLREC1\n', 'latin1')
/** The first bytes of every record. */
export const recordMagic = Buffer.from('HREC', 'latin1')

/** What the header of a file says. */
export interface FileHeader {
  readonly firstSequence: bigint
  readonly salt: Uint8Array
}

/** What the header of a record says. */
export interface RecordHeader {
  readonly bodyLength: number
  readonly sequence: bigint
  readonly groupStart: number
  readonly bodyCrc: number
}

/** A header for a new file, with a salt of its own. */
export function encodeFileHeader(firstSequence: bigint): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  fileMagic.copy(bytes)
  bytes.writeBigUInt64BE(firstSequence, 8)
  randomBytes(8).copy(bytes, 16)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 28)), 28)
  return bytes
}

/** The header of a file; absent when it is cut short or damaged. */
export function decodeFileHeader(bytes: Buffer): FileHeader | undefined {
  if (bytes.length < headerBytes || !bytes.subarray(0, 8).equals(fileMagic)) return undefined
  if (crc32(bytes.subarray(0, 28)) !== bytes.readUInt32BE(28)) return undefined
  return { firstSequence: bytes.readBigUInt64BE(8), salt: Uint8Array.from(bytes.subarray(16, 24)) }
}

/** CRC-32 over the parts, one behind the other. */
export function checksum(parts: readonly Uint8Array[], seed = 0): number {
  let value = seed
  for (const part of parts) value = crc32(part, value)
  return value
}

/** A record's header for a file with this salt. */
export function encodeRecordHeader(header: RecordHeader, salt: Uint8Array): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  recordMagic.copy(bytes)
  bytes.writeUInt32BE(header.bodyLength, 4)
  bytes.writeBigUInt64BE(header.sequence, 8)
  bytes.writeUIntBE(header.groupStart, 16, 6)
  bytes.writeUInt32BE(header.bodyCrc, 24)
  bytes.writeUInt32BE(checksum([salt, bytes.subarray(0, 28)]), 28)
  return bytes
}

/** A record's header; absent when it is cut short, damaged or of a file with another salt. */
export function decodeRecordHeader(bytes: Buffer, salt: Uint8Array): RecordHeader | undefined {
  if (bytes.length < headerBytes || !bytes.subarray(0, 4).equals(recordMagic)) return undefined
  if (checksum([salt, bytes.subarray(0, 28)]) !== bytes.readUInt32BE(28)) return undefined
  return {
    bodyLength: bytes.readUInt32BE(4),
    sequence: bytes.readBigUInt64BE(8),
    groupStart: bytes.readUIntBE(16, 6),
    bodyCrc: bytes.readUInt32BE(24),
  }
}
