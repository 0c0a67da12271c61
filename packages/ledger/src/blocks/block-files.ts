import { join } from 'node:path'
import { corrupt, LedgerError, toLedgerError } from '../errors.ts'
import { readFileHeader, readRecord } from '../records/record-access.ts'
import { RecordFile } from '../records/record-file.ts'
import type { RecordBody } from '../records/record-file.ts'
import { headerBytes } from '../records/record-format.ts'
import { scanRecords } from '../records/record-scan.ts'
import type { RecordPosition, ScannedRecord } from '../records/record-scan.ts'
import type { Files, StorageFile } from '../storage/storage.ts'

/** Older files that stay open for reading. */
export const maxOpenFiles = 16

/** How to open the block files of a ledger. */
export interface OpenBlockFiles {
  readonly files: Files
  readonly dir: string
  readonly maxSegmentBytes: number
  /** Blocks below this are known to have been synced. */
  readonly syncedBelow: bigint
  /** Where the scan begins; default: the first block. Files before it are not read. */
  readonly from?: RecordPosition
  readonly visit: (record: ScannedRecord) => void
}

/** A file name: the number of its first block, in 20 digits, so that names sort as numbers. */
const nameOf = (first: bigint): string => `${first.toString().padStart(20, '0')}.blocks`
const namePattern = /^(\d{20})\.blocks$/

/** The block files of one ledger: all but the last are full and never change. */
export class BlockFiles {
  readonly #options: OpenBlockFiles
  /** The first block of each file, ascending; the last is that of `#current`. */
  readonly #firsts: bigint[]
  #current: RecordFile
  /** Files open for reading, the least recently used first. */
  readonly #readers = new Map<bigint, Promise<StorageFile>>()

  private constructor(options: OpenBlockFiles, firsts: bigint[], current: RecordFile) {
    this.#options = options
    this.#firsts = firsts
    this.#current = current
  }

  /**
   * Makes the first file when there is none.
   *
   * @param syncedBelow - blocks below this were stored: their files must be there
   * @returns 8 bytes that tell these files from those of any other ledger: the salt of the first
   * @throws LedgerError LEDGER_CORRUPT (nothing was changed), LEDGER_IO, LEDGER_DISK_FULL
   */
  static async prepare(files: Files, dir: string, syncedBelow: bigint): Promise<Uint8Array> {
    const firsts = await firstBlocks(files, dir)
    if (firsts.length > 0 && firsts[0] !== 0n) throw missing(dir, 0n)
    if (firsts.length === 0 && syncedBelow > 0n) throw missing(dir, 0n)
    if (firsts.length > 0) {
      const salt = await RecordFile.saltOf(files, join(dir, nameOf(0n)))
      if (salt !== undefined) return salt
      // The header is not whole. Unless a crash cut the making of the file short, that is damage.
      if (firsts.length > 1 || syncedBelow > 0n) throw cutShort(dir, 0n)
    }
    const made = await makeFile(files, dir, 0n)
    await made.close()
    return made.salt
  }

  /**
   * Opens the prepared files of a directory, scans them, and cuts off a torn tail.
   *
   * @throws LedgerError LEDGER_CORRUPT (nothing was changed), LEDGER_IO, LEDGER_DISK_FULL
   */
  static async open(options: OpenBlockFiles): Promise<BlockFiles> {
    const { files, dir, from } = options
    const firsts = await firstBlocks(files, dir)
    let current: RecordFile | undefined
    for (const [index, first] of firsts.entries()) {
      const follower = firsts[index + 1]
      // Files before the one in which the scan begins are not read.
      if (from !== undefined && follower !== undefined && follower <= from.sequence) continue
      await current?.close()
      current = await openOne(options, first, follower)
    }
    if (current === undefined) throw missing(dir, 0n)
    try {
      await syncNames(files, dir)
      return new BlockFiles(options, firsts, current)
    } catch (error) {
      await current.close()
      throw error
    }
  }

  /** The number of the next block: how many are stored. */
  get height(): bigint {
    return this.#current.next
  }

  /**
   * Appends a prefix of the bodies, at least one, all in one file, and syncs.
   *
   * @param meanwhile - as of `RecordFile.append`
   * @throws LedgerError as `RecordFile.append`, and LEDGER_DISK_FULL or LEDGER_IO for a new file
   */
  async append(bodies: readonly RecordBody[], meanwhile?: () => void): Promise<RecordPosition[]> {
    const { maxSegmentBytes } = this.#options
    let count = 0
    let size = this.#current.size
    for (const body of bodies) {
      size += recordBytes(body)
      if (count > 0 && size > maxSegmentBytes) break
      count += 1
    }
    const isEmpty = this.#current.size === headerBytes
    const first = bodies[0]
    if (first === undefined) return []
    if (!isEmpty && this.#current.size + recordBytes(first) > maxSegmentBytes) {
      await this.#beginNext()
      return this.append(bodies, meanwhile)
    }
    return this.#current.append(bodies.slice(0, count), meanwhile)
  }

  /** The body of the record of a block that is stored. @throws LedgerError LEDGER_CORRUPT, LEDGER_IO */
  async read(position: RecordPosition): Promise<Buffer> {
    const first = this.#fileOf(position.sequence)
    if (first === this.#current.firstSequence) return this.#current.read(position)
    const { dir } = this.#options
    const path = join(dir, nameOf(first))
    const file = await this.#reader(first, path)
    return readRecord(file, path, position).catch(async (error: unknown) => {
      const next = await endOf(file, path).catch(() => undefined)
      // Where it would be if the file behind this one had been there when they were opened.
      throw next !== undefined && next <= position.sequence ? missing(dir, next) : error
    })
  }

  /**
   * Paths of files that are no longer there, and of the last one also when another is in its place.
   * @throws LedgerError LEDGER_IO
   */
  async missing(): Promise<string[]> {
    const { files, dir } = this.#options
    const expected = this.#firsts.map(nameOf)
    const current = nameOf(this.#current.firstSequence)
    const isInPlace = await this.#current.isInPlace()
    const names = new Set(await listIfThere(files, dir))
    const gone = expected.filter((name) => !names.has(name) || (name === current && !isInPlace))
    return gone.map((name) => join(dir, name))
  }

  async close(): Promise<void> {
    const readers = [...this.#readers.values()]
    this.#readers.clear()
    for (const reader of readers) await (await reader).close()
    await this.#current.close()
  }

  async #beginNext(): Promise<void> {
    const full = this.#current
    this.#current = await makeFile(this.#options.files, this.#options.dir, full.next)
    this.#firsts.push(full.next)
    await full.close()
  }

  /** The first block of the file that holds block `number`. */
  #fileOf(number: bigint): bigint {
    let low = 0
    let high = this.#firsts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#firsts[middle] ?? 0n) <= number) low = middle
      else high = middle - 1
    }
    return this.#firsts[low] ?? 0n
  }

  async #reader(first: bigint, path: string): Promise<StorageFile> {
    const opened =
      this.#readers.get(first) ??
      this.#options.files.open(path, 'read').catch((error: unknown) => {
        this.#readers.delete(first)
        throw toLedgerError(error, 'open', path)
      })
    this.#readers.delete(first)
    this.#readers.set(first, opened)
    const [oldest] = this.#readers
    if (this.#readers.size > maxOpenFiles && oldest !== undefined) {
      this.#readers.delete(oldest[0])
      // A file handle closes when the reads that run on it are done.
      void oldest[1].then((file) => file.close()).catch(() => undefined)
    }
    return opened
  }
}

const recordBytes = (body: RecordBody): number =>
  body.reduce((sum, part) => sum + part.length, headerBytes)

/** The names in a directory; none when it is gone itself. */
async function listIfThere(files: Files, dir: string): Promise<string[]> {
  return files.list(dir).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw toLedgerError(error, 'read the directory', dir)
  })
}

/** The first block of each file in the directory, ascending. */
async function firstBlocks(files: Files, dir: string): Promise<bigint[]> {
  const names = await files.list(dir).catch((error: unknown) => {
    throw toLedgerError(error, 'read the directory', dir)
  })
  const firsts = names.flatMap((name) => namePattern.exec(name)?.[1] ?? []).map(BigInt)
  return firsts.sort((a, b) => (a < b ? -1 : 1))
}

/** Opens one file; `follower` is the first block of the next one, absent for the last. */
async function openOne(
  options: OpenBlockFiles,
  first: bigint,
  follower: bigint | undefined,
): Promise<RecordFile> {
  const { files, dir, from, visit } = options
  const path = join(dir, nameOf(first))
  // A file was synced to its end before the next one was begun: only the last can have a torn tail.
  const syncedBelow = follower ?? options.syncedBelow
  const start = from !== undefined && from.sequence >= first ? { from } : {}
  const whatFollowed = (next: bigint): LedgerError => missing(dir, next)
  const opened = await RecordFile.open(files, { path, visit, syncedBelow, whatFollowed, ...start })
  if (opened === undefined) {
    if (first < syncedBelow) throw cutShort(dir, first)
    return makeFile(files, dir, first)
  }
  if (opened.firstSequence === first && (follower ?? opened.next) === opened.next) return opened
  await opened.close()
  const has = `${opened.firstSequence.toString()} to ${(opened.next - 1n).toString()}`
  const message = `${path} holds blocks ${has}, which do not match its name or the file next to it: was it renamed?`
  throw new LedgerError('LEDGER_CORRUPT', message, { file: path, offset: 0, block: first })
}

/** The block behind the last one of a file that ends whole; undefined for others. */
async function endOf(file: StorageFile, path: string): Promise<bigint | undefined> {
  const header = await readFileHeader(file, path)
  if (header === undefined) return undefined
  const { salt, firstSequence: sequence } = header
  const visit = (): void => undefined
  const { end, next, size } = await scanRecords({
    ...{ file, path, salt, visit, sequence },
    offset: headerBytes,
  })
  return end === size ? next : undefined
}

async function makeFile(files: Files, dir: string, first: bigint): Promise<RecordFile> {
  const made = await RecordFile.create(files, join(dir, nameOf(first)), first)
  try {
    await syncNames(files, dir)
  } catch (error) {
    await made.close()
    throw error
  }
  return made
}

/** Makes the names durable: of a file just made, or made by a process that died before it could. */
async function syncNames(files: Files, dir: string): Promise<void> {
  await files.syncDirectory(dir).catch((error: unknown) => {
    throw toLedgerError(error, 'sync', dir)
  })
}

/** Files begin where the one before ended, so the name of one that is not there is known. */
function missing(dir: string, block: bigint): LedgerError {
  const file = join(dir, nameOf(block))
  const message =
    `${file} is missing: blocks from ${block.toString()} on were stored in it. Nothing was changed; put ` +
    `this very file back, or move the directory ${dir} away: blocks are fetched again from others`
  return new LedgerError('LEDGER_CORRUPT', message, { file, block })
}

function cutShort(dir: string, block: bigint): LedgerError {
  const file = join(dir, nameOf(block))
  return corrupt(`${file} has lost its content: not even its header is whole`, { file, block })
}
