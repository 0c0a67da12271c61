import { join } from 'node:path'
import { open } from 'lmdb'
import type { RootDatabase } from 'lmdb'
import { LedgerError, toLedgerError } from './errors.ts'
import { lmdbDamage, lmdbFile } from './lmdb-file.ts'
import type { KeyChange, KeyValue, KeyValueStore } from './storage.ts'

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
export function openLmdb(
  directory: string,
  { noSync = false }: { readonly noSync?: boolean } = {},
): KeyValueStore {
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
 * A database whose commits wait for the disk.
 *
 * @throws LedgerError LEDGER_CORRUPT when its file is none; LEDGER_DISK_FULL, LEDGER_IO
 */
export async function openSyncedLmdb(directory: string): Promise<KeyValueStore> {
  const file = join(directory, lmdbFile)
  const damage = await lmdbDamage(directory).catch((error: unknown) => {
    throw toLedgerError(error, 'open', file)
  })
  if (damage !== 'garbage') return openLmdb(directory)
  const cure = `move ${directory} away and open again: what it held is made again from the blocks`
  throw new LedgerError('LEDGER_CORRUPT', `${file} is no database. Nothing was changed; ${cure}`, {
    file,
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
    return this.#database.get(asBuffer(key))
  }

  range(from: Uint8Array, to: Uint8Array, limit: number): Iterable<KeyValue> {
    return this.#database.getRange({ start: asBuffer(from), end: asBuffer(to), limit })
  }

  commit(changes: readonly KeyChange[]): void {
    const database = this.#database as DirectWrites
    this.#attempt('write to', () => {
      this.#database.transactionSync(() => {
        for (const { key, value } of changes) {
          if (value === undefined) database.remove(asBuffer(key))
          else database.put(asBuffer(key), asBuffer(value))
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
