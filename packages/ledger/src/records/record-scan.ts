import { corrupt } from '../errors.ts'
import type { LedgerError } from '../errors.ts'
import { checksum, decodeRecordHeader, headerBytes, recordMagic } from './record-format.ts'
import type { RecordHeader } from './record-format.ts'
import type { StorageFile } from '../storage/storage.ts'

/** Where a record lies in its file. */
export interface RecordPosition {
  readonly sequence: bigint
  /** Offset of its header. */
  readonly offset: number
  /** Bytes of header and body. */
  readonly length: number
}

/** A record that was read and whose checksums are right. `body` is valid during the call only. */
export interface ScannedRecord extends RecordPosition {
  readonly path: string
  readonly body: Buffer
}

/** What to scan. */
export interface ScanRequest {
  readonly file: StorageFile
  readonly path: string
  readonly salt: Uint8Array
  /** Offset of the first record to read, and the sequence it must have. */
  readonly offset: number
  readonly sequence: bigint
  readonly visit: (record: ScannedRecord) => void
  /** See {@link OpenRecordFile.wasPowerKept}; default: unknown, so no. */
  readonly wasPowerKept?: boolean | undefined
}

/** How a scan ended. */
export interface ScanResult {
  /** Offset behind the last good record, and the sequence that comes next. */
  readonly end: number
  readonly next: bigint
  /** Size of the file: more than `end` when a torn tail follows. */
  readonly size: number
  /** Where the group of the last good record begins; `end` when there was none. */
  readonly lastGroupStart: number
}

/** Bytes read at once: many small records, or the searched part of a damaged file. */
const chunkBytes = 1024 * 1024

/** Reads a file in large pieces. */
class Window {
  readonly size: number
  readonly #file: StorageFile
  #bytes = Buffer.alloc(0)
  #start = 0

  constructor(file: StorageFile, size: number) {
    this.#file = file
    this.size = size
  }

  /** `length` bytes from `position` on, fewer at the end of the file. A view: valid until the next. */
  async at(position: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.size - position))
    const from = position - this.#start
    if (from < 0 || from + wanted > this.#bytes.length) {
      const fresh = Buffer.allocUnsafe(Math.max(wanted, Math.min(chunkBytes, this.size - position)))
      const read = await this.#file.read(fresh, position)
      this.#bytes = fresh.subarray(0, read)
      this.#start = position
    }
    const begin = position - this.#start
    return this.#bytes.subarray(begin, begin + wanted)
  }
}

/**
 * Reads records until the end or the first that is not whole.
 *
 * @throws LedgerError LEDGER_CORRUPT when what is damaged had been synced: a record follows that was
 * written after it in a later group, or a record has a sequence that cannot be there
 */
export async function scanRecords(request: ScanRequest): Promise<ScanResult> {
  const size = await request.file.size()
  const window = new Window(request.file, size)
  let { offset, sequence } = request
  let lastGroupStart: number | undefined
  for (;;) {
    const header = decodeRecordHeader(await window.at(offset, headerBytes), request.salt)
    const body = header && (await wholeBody(window, offset, header))
    if (header === undefined || body === undefined) {
      if (offset < size) await refuseDamage(window, request, offset, header)
      return { end: offset, next: sequence, size, lastGroupStart: lastGroupStart ?? offset }
    }
    if (header.sequence !== sequence) {
      const message = `${request.path} has record ${header.sequence.toString()} at offset ${offset} where ${sequence.toString()} belongs`
      throw corrupt(message, { file: request.path, offset, block: sequence })
    }
    const length = headerBytes + header.bodyLength
    request.visit({ path: request.path, sequence, offset, length, body })
    lastGroupStart = header.groupStart
    offset += length
    sequence += 1n
  }
}

/** The body behind a header when all of it is there and its checksum is right. */
async function wholeBody(
  window: Window,
  offset: number,
  header: RecordHeader,
): Promise<Buffer | undefined> {
  const body = await window.at(offset + headerBytes, header.bodyLength)
  if (body.length < header.bodyLength) return undefined
  return checksum([body]) === header.bodyCrc ? body : undefined
}

/**
 * Throws unless all that lies behind `offset` may be the remains of one group that was never synced.
 * Parts of a group reach the disk in any order, so whole records may follow a torn one.
 */
async function refuseDamage(
  window: Window,
  request: ScanRequest,
  offset: number,
  header: RecordHeader | undefined,
): Promise<void> {
  const { wasPowerKept = false, path } = request
  // The process writes from front to back, so what it did not get to is missing at the end.
  if (wasPowerKept && window.size - offset >= headerBytes + (header?.bodyLength ?? 0)) {
    const message = `${path} is damaged at offset ${offset}: no power loss can have left that record as it is`
    throw corrupt(message, { file: path, offset })
  }
  // With a good header the length is known, and the next header is looked for behind the body.
  let position = offset + (header === undefined ? 1 : headerBytes + header.bodyLength)
  while (position < window.size) {
    const chunk = await window.at(position, chunkBytes)
    const found = chunk.indexOf(recordMagic)
    if (found < 0) {
      // The magic may lie across the border of two pieces.
      position += Math.max(1, chunk.length - recordMagic.length + 1)
      continue
    }
    position += found
    const later = decodeRecordHeader(await window.at(position, headerBytes), request.salt)
    if (later !== undefined && later.groupStart > offset) throw damaged(request, offset, later)
    position += later === undefined ? 1 : headerBytes + later.bodyLength
  }
}

function damaged(request: ScanRequest, offset: number, later: RecordHeader): LedgerError {
  const message =
    `${request.path} is damaged at offset ${offset}: that part had been synced before record ` +
    `${later.sequence.toString()} was written`
  return corrupt(message, { file: request.path, offset })
}
