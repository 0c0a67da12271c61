import { access, constants, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { open } from 'lmdb'
import type { RangeOptions, RootDatabase } from 'lmdb'
import { diskFiles } from './disk-files.ts'
import { LedgerError, toLedgerError } from '../errors.ts'
import { lmdbDamage, lmdbFile } from './lmdb-file.ts'
import { seal, unseal } from './sealed-values.ts'
import type { KeyChange, KeyValue, KeyValueSnapshot, KeyValueStore } from './storage.ts'

/**
 * A key-value store in LMDB, which never overwrites a page that is in use: it writes new pages, syncs
 * them, and then writes the page that refers to them, synchronously. So neither a crash of the process
 * nor a power loss leaves anything but the state after some commit.
 *
 * With `noSync` that holds for a crash of the process alone.
 *
 * Its asynchronous writes are not used: when the disk is full they reject promises that nobody can
 * catch, and `close` may then wait for ever (lmdb 3.5.6, with a file size limit).
 */
export async function openLmdb(
  directory: string,
  { noSync = false }: { readonly noSync?: boolean } = {},
): Promise<KeyValueStore> {
  await prepareFiles(directory)
  try {
    const database = open<Buffer, Buffer>({
      path: directory,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      overlappingSync: false,
      noSync,
    })
    return new LmdbStore(directory, database)
  } catch (error) {
    throw toLedgerError(error, 'open the database in', directory)
  }
}

/**
 * A database whose commits wait for the disk. One that is damaged is moved aside, to the same name
 * with `-damaged` behind it, and an empty one takes its place: see `repaired`.
 *
 * @throws LedgerError LEDGER_DISK_FULL, LEDGER_IO
 */
export async function openSyncedLmdb(directory: string): Promise<KeyValueStore> {
  const aside = `${directory}-damaged`
  let repaired: string | undefined
  try {
    const damage = lmdbDamage(directory)
    if (damage !== undefined) {
      await rm(aside, { recursive: true, force: true })
      await rename(directory, aside)
      await diskFiles.makeDirectory(directory)
      await diskFiles.syncDirectory(dirname(directory))
      repaired = `${damage}; moved to ${aside}`
    }
  } catch (error) {
    throw toLedgerError(error, 'open the database in', directory)
  }
  return Object.assign(await openLmdb(directory), { repaired })
}

/**
 * LMDB's file of locks among processes is of no use behind the lock of the ledger's directory, but a
 * damaged one would be believed: it is made anew.
 */
async function prepareFiles(directory: string): Promise<void> {
  const locks = join(directory, 'lock.mdb')
  await rm(locks, { force: true }).catch((error: unknown) => {
    throw toLedgerError(error, 'remove', locks)
  })
  const file = join(directory, lmdbFile)
  await access(file, constants.R_OK | constants.W_OK).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw toLedgerError(error, 'write to', file)
  })
}

/** Writes within a transaction: lmdb carries them out at once, which its README says, not its types. */
interface DirectWrites {
  put(key: Buffer, value: Buffer): unknown
  remove(key: Buffer): unknown
}

class LmdbStore implements KeyValueStore {
  readonly #directory: string
  readonly #database: RootDatabase<Buffer, Buffer>

  constructor(directory: string, database: RootDatabase<Buffer, Buffer>) {
    this.#directory = directory
    this.#database = database
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const sealed = this.#database.get(asBuffer(key))
    return sealed && this.#unseal(key, sealed)
  }

  range(from: Uint8Array, to: Uint8Array, limit: number): Iterable<KeyValue> {
    return this.#range({ start: asBuffer(from), end: asBuffer(to), limit })
  }

  snapshot(): KeyValueSnapshot {
    const transaction = this.#database.useReadTransaction()
    return {
      range: (from, to, limit) =>
        this.#range({ start: asBuffer(from), end: asBuffer(to), limit, transaction }),
      close: () => transaction.done(),
    }
  }

  #range(range: RangeOptions): Iterable<KeyValue> {
    return this.#database
      .getRange(range)
      .map(({ key, value }) => ({ key, value: this.#unseal(key, value) }))
  }

  commit(changes: readonly KeyChange[]): void {
    const database = this.#database as DirectWrites
    this.#attempt('write to', () => {
      this.#database.transactionSync(() => {
        for (const { key, value } of changes) {
          if (value === undefined) database.remove(asBuffer(key))
          else database.put(asBuffer(key), seal(key, value))
        }
      })
    })
  }

  clear(): void {
    this.#attempt('clear', () => this.#database.clearSync())
  }

  async close(): Promise<void> {
    try {
      await this.#database.close()
    } catch (error) {
      throw toLedgerError(error, 'close the database in', this.#directory)
    }
  }

  #unseal(key: Uint8Array, sealed: Buffer): Buffer {
    const value = unseal(key, sealed)
    if (value !== undefined) return value
    const file = join(this.#directory, lmdbFile)
    const message = `a value in ${file} has changed on the disk: open again, then it is rebuilt from the blocks`
    throw new LedgerError('LEDGER_CORRUPT', message, { file })
  }

  #attempt(doing: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      throw toLedgerError(error, `${doing} the database in`, this.#directory)
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
