import { LedgerError, corrupt, toLedgerError } from '../errors.ts'
import { checksum, encodeFileHeader, encodeRecordHeader, headerBytes } from './record-format.ts'
import { readFileHeader, readRecord, rewriteInPlace } from './record-access.ts'
import { scanRecords } from './record-scan.ts'
import type { RecordPosition, ScannedRecord } from './record-scan.ts'
import type { Files, StorageFile } from '../storage/storage.ts'

/** What one record consists of: parts that are written one behind the other. */
export type RecordBody = readonly Uint8Array[]

/** How to open a file that is there. */
export interface OpenRecordFile {
  readonly path: string
  /** Scan from here; default: the first record. */
  readonly from?: { readonly offset: number; readonly sequence: bigint }
  /** Records below this sequence are known to have been synced: damage there is no torn tail. */
  readonly syncedBelow: bigint
  /** What is wrong when it ends whole, with the record before `next`, and more were synced; default: damage. */
  readonly whatFollowed?: (next: bigint) => LedgerError
  /** No power loss came since it was last open: a record that is all there and wrong is damage. */
  readonly wasPowerKept?: boolean
  /** Called for every good record from `from` on, in order. */
  readonly visit: (record: ScannedRecord) => void
}

/**
 * An append-only file of checksummed records with consecutive sequences.
 *
 * A write that fails is cut off again, and the file stays usable. After a sync that failed nobody
 * knows what is on the disk, and a second sync would not tell: the file refuses further appends.
 */
export class RecordFile {
  readonly firstSequence: bigint
  #path: string
  readonly #file: StorageFile
  readonly #salt: Uint8Array
  #size: number
  #next: bigint
  #failed: LedgerError | undefined

  private constructor(
    file: StorageFile,
    header: { path: string; salt: Uint8Array; firstSequence: bigint },
    end: { size: number; next: bigint },
  ) {
    this.#file = file
    this.#path = header.path
    this.firstSequence = header.firstSequence
    this.#salt = header.salt
    this.#size = end.size
    this.#next = end.next
  }

  /** Makes an empty file, synced; its name is durable once the directory is synced. */
  static async create(files: Files, path: string, firstSequence: bigint): Promise<RecordFile> {
    const file = await files.open(path, 'write').catch((error: unknown) => {
      throw toLedgerError(error, 'make', path)
    })
    try {
      const header = encodeFileHeader(firstSequence)
      await file.truncate(0)
      await file.write([header], 0)
      await file.sync()
      const salt = Uint8Array.from(header.subarray(16, 24))
      const size = headerBytes
      return new RecordFile(file, { path, salt, firstSequence }, { size, next: firstSequence })
    } catch (error) {
      await file.close().catch(() => undefined)
      throw toLedgerError(error, 'make', path)
    }
  }

  /**
   * Opens a file that may have a torn tail, cuts that off and makes sure of the rest; absent when
   * the making of the file itself was cut short, before any record.
   *
   * @throws LedgerError LEDGER_CORRUPT (nothing was changed), LEDGER_IO, LEDGER_DISK_FULL
   */
  static async open(files: Files, options: OpenRecordFile): Promise<RecordFile | undefined> {
    const { path } = options
    const file = await files.open(path, 'write').catch((error: unknown) => {
      throw toLedgerError(error, 'open', path)
    })
    try {
      const opened = await RecordFile.#recover(file, options)
      if (opened === undefined) await file.close()
      return opened
    } catch (error) {
      await file.close().catch(() => undefined)
      throw toLedgerError(error, 'open', path)
    }
  }

  /** The salt of a file, 8 bytes; absent when its header was cut short. @throws LedgerError as `open` */
  static async saltOf(files: Files, path: string): Promise<Uint8Array | undefined> {
    let file: StorageFile | undefined
    try {
      file = await files.open(path, 'read')
      return (await readFileHeader(file, path))?.salt
    } catch (error) {
      throw toLedgerError(error, 'open', path)
    } finally {
      await file?.close()
    }
  }

  static async #recover(file: StorageFile, open: OpenRecordFile): Promise<RecordFile | undefined> {
    const { path } = open
    const header = await readFileHeader(file, path)
    if (header === undefined) return undefined
    const from = open.from ?? { offset: headerBytes, sequence: header.firstSequence }
    const { salt, firstSequence } = header
    const { visit, wasPowerKept } = open
    const scan = await scanRecords({ file, path, salt, ...from, visit, wasPowerKept })
    if (scan.next < open.syncedBelow) {
      if (scan.size === scan.end && open.whatFollowed !== undefined)
        throw open.whatFollowed(scan.next)
      throw corrupt(
        `${path} ends or is damaged at offset ${scan.end}, in a record that was synced`,
        {
          file: path,
          offset: scan.end,
          block: scan.next,
        },
      )
    }
    if (scan.size > scan.end) await file.truncate(scan.end)
    if (scan.next > open.syncedBelow) await rewriteInPlace(file, scan.lastGroupStart, scan.end)
    return new RecordFile(file, { path, salt, firstSequence }, { size: scan.end, next: scan.next })
  }

  /** Where it is. */
  get path(): string {
    return this.#path
  }

  /** Bytes of the file: all of them synced. */
  get size(): number {
    return this.#size
  }

  /** The sequence of the next record. */
  get next(): bigint {
    return this.#next
  }

  /** Identifies this file among others of its path. 8 random bytes. */
  get salt(): Uint8Array {
    return this.#salt
  }

  /**
   * Writes the records as one group and syncs.
   *
   * @param meanwhile - called once the disk is busy with the sync; must not throw
   * @throws LedgerError LEDGER_DISK_FULL or LEDGER_IO: nothing was appended; LEDGER_FAILED: an
   * earlier failure left the file in doubt
   */
  async append(bodies: readonly RecordBody[], meanwhile?: () => void): Promise<RecordPosition[]> {
    if (this.#failed !== undefined) {
      const message = `${this.path} failed earlier and takes no more records: open it again`
      throw new LedgerError('LEDGER_FAILED', message, { file: this.path, cause: this.#failed })
    }
    const { buffers, positions, bytes } = this.#layOut(bodies)
    try {
      await this.#file.write(buffers, this.#size)
    } catch (error) {
      throw await this.#undoWrite(error)
    }
    try {
      const synced = this.#file.sync()
      meanwhile?.()
      await synced
    } catch (error) {
      throw await this.#giveUp(error)
    }
    this.#size += bytes
    this.#next += BigInt(bodies.length)
    return positions
  }

  /** The body of a record whose place is known, checked. @throws LedgerError LEDGER_CORRUPT, LEDGER_IO */
  async read(position: RecordPosition): Promise<Buffer> {
    return readRecord(this.#file, this.path, position)
  }

  /** Calls `visit` for every record, in order. @throws LedgerError LEDGER_CORRUPT, LEDGER_IO */
  async scan(visit: (record: ScannedRecord) => void): Promise<void> {
    const { path } = this
    const from = { offset: headerBytes, sequence: this.firstSequence }
    const request = { file: this.#file, path, salt: this.#salt, ...from, visit }
    const { next, end } = await scanRecords(request).catch((error: unknown) => {
      throw toLedgerError(error, 'read', path)
    })
    if (next !== this.#next) {
      throw corrupt(`${path} is damaged at offset ${end}`, { file: path, offset: end, block: next })
    }
  }

  /** This file under the name to which it was moved. Only what it calls itself changes. */
  renamed(path: string): this {
    this.#path = path
    return this
  }

  /** Whether it is still the file of its path. Never rejects. */
  isInPlace(): Promise<boolean> {
    return this.#file.isAt(this.#path)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  #layOut(bodies: readonly RecordBody[]): {
    buffers: Uint8Array[]
    positions: RecordPosition[]
    bytes: number
  } {
    const buffers: Uint8Array[] = []
    const positions: RecordPosition[] = []
    let offset = this.#size
    let sequence = this.#next
    for (const body of bodies) {
      const bodyLength = body.reduce((sum, part) => sum + part.length, 0)
      const header = { bodyLength, sequence, groupStart: this.#size, bodyCrc: checksum(body) }
      buffers.push(encodeRecordHeader(header, this.#salt), ...body)
      positions.push({ sequence, offset, length: headerBytes + bodyLength })
      offset += headerBytes + bodyLength
      sequence += 1n
    }
    return { buffers, positions, bytes: offset - this.#size }
  }

  /** Cuts off what a failed write left. If that fails too, the file is in doubt. */
  async #undoWrite(cause: unknown): Promise<LedgerError> {
    const error = toLedgerError(cause, 'append to', this.path)
    try {
      await this.#file.truncate(this.#size)
    } catch {
      this.#failed = error
    }
    return error
  }

  /**
   * After a sync that failed, pages may be marked clean without being on the disk: no later sync
   * says anything about them. What was not acknowledged is cut off, as well as that goes.
   */
  async #giveUp(cause: unknown): Promise<LedgerError> {
    const error = toLedgerError(cause, 'sync', this.path)
    this.#failed = error
    await this.#file.truncate(this.#size).catch(() => undefined)
    return error
  }
}
