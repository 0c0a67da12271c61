import { LedgerError } from '../errors.ts'
import type { RecordBody } from '../records/record-file.ts'

/*
 * All records of one `append` are one frame, the body of one record in the file, so that a crash
 * leaves all or none: for each record, length u32 and bytes. Numbers are big-endian.
 */

/** Bytes of a frame that `rewrite` makes, unless a single record has more. */
const rewriteFrameBytes = 4 * 1024 * 1024

/** A frame of these records, which are not copied. */
export function encodeFrame(records: readonly Uint8Array[]): RecordBody {
  return records.flatMap((record) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(record.length)
    return [length, record]
  })
}

/** The records in as few frames as have a moderate size each. */
export function framesOf(records: readonly Uint8Array[]): RecordBody[] {
  const frames: RecordBody[] = []
  let group: Uint8Array[] = []
  let bytes = 0
  for (const record of records) {
    if (group.length > 0 && bytes + record.length > rewriteFrameBytes) {
      frames.push(encodeFrame(group))
      group = []
      bytes = 0
    }
    group.push(record)
    bytes += record.length
  }
  if (group.length > 0) frames.push(encodeFrame(group))
  return frames
}

/** Copies of the records in a frame whose checksum is right. @throws LedgerError LEDGER_CORRUPT */
export function decodeFrame(frame: Buffer): Uint8Array[] {
  const records: Uint8Array[] = []
  let offset = 0
  while (offset < frame.length) {
    const start = offset + 4
    const end = start <= frame.length ? start + frame.readUInt32BE(offset) : Infinity
    if (end > frame.length)
      throw new LedgerError('LEDGER_CORRUPT', 'a journal frame has an unknown form')
    records.push(Uint8Array.prototype.slice.call(frame, start, end))
    offset = end
  }
  return records
}
