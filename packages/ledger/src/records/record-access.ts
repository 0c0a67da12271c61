import { corrupt, toLedgerError } from '../errors.ts'
import { checksum, decodeFileHeader, headerBytes } from './record-format.ts'
import type { FileHeader } from './record-format.ts'
import type { RecordPosition } from './record-scan.ts'
import type { StorageFile } from '../storage/storage.ts'

/** The header of a file; absent when a crash cut the making of the file short, before any record. */
export async function readFileHeader(
  file: StorageFile,
  path: string,
): Promise<FileHeader | undefined> {
  const bytes = Buffer.alloc(headerBytes)
  const header = decodeFileHeader(bytes.subarray(0, await file.read(bytes, 0)))
  if (header !== undefined || (await file.size()) <= headerBytes) return header
  throw corrupt(`the header of ${path} is damaged`, { file: path, offset: 0 })
}

/** The checked body of the record at `position` of a file. */
export async function readRecord(
  file: StorageFile,
  path: string,
  position: RecordPosition,
): Promise<Buffer> {
  const { offset, length, sequence } = position
  const bytes = Buffer.allocUnsafe(length)
  const read = await file.read(bytes, offset).catch((error: unknown) => {
    throw toLedgerError(error, 'read', path)
  })
  // The salt is not at hand here, and not needed: the place is known, and the body has its own CRC.
  const body = bytes.subarray(headerBytes)
  const whole = read === length && bytes.readUInt32BE(4) === body.length
  if (
    !whole ||
    bytes.readBigUInt64BE(8) !== sequence ||
    bytes.readUInt32BE(24) !== checksum([body])
  ) {
    const message = `record ${sequence.toString()} in ${path} at offset ${offset} is damaged`
    throw corrupt(message, { file: path, offset, block: sequence })
  }
  return body
}

/**
 * Writes a stretch of the file again, as it is, and syncs. A page whose sync failed before a crash
 * of the process reads back from memory though it is not on the disk; this puts it there.
 */
export async function rewriteInPlace(file: StorageFile, start: number, end: number): Promise<void> {
  if (end === start) return
  const bytes = Buffer.allocUnsafe(end - start)
  await file.read(bytes, start)
  await file.write([bytes], start)
  await file.sync()
}
