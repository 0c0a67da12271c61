import { open } from 'lmdb'
import type { RootDatabase } from 'lmdb'
import { toLedgerError } from './errors.ts'
import type { KeyChange, KeyValue, KeyValueStore } from './storage.ts'

/**
 * A key-value store in LMDB, which never overwrites a page that is in use, so that a crash of the
 * process leaves the last commit.
 *
 * `overlappingSync`: a commit is visible at once and flushed behind it. The meta page of the last
 * flushed commit is kept, and when the machine was restarted since (its boot id differs), LMDB opens
 * that one: a power loss undoes whole commits, the last ones, and nothing else. That is all that an
 * index and a state which are made from the block file need. (`noSync` would be as fast and could
 * leave pages of which only some were written.)
 */
export function openLmdb(directory: string): KeyValueStore {
  try {
    return new LmdbStore(
      directory,
      open<Buffer, Buffer>({
        path: directory,
        noSubdir: false,
        encoding: 'binary',
        keyEncoding: 'binary',
        overlappingSync: true,
        separateFlushed: true,
      }),
    )
  } catch (error) {
    throw toLedgerError(error, 'open the database in', directory)
  }
}

/** lmdb's types leave this form out; its README (`put`) and code have it. */
interface OptionPut {
  put(key: Buffer, value: Buffer, options: { readonly noOverwrite: boolean }): Promise<boolean>
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

  async commit(changes: readonly KeyChange[]): Promise<void> {
    const database = this.#database
    try {
      await database.batch(() => {
        for (const { key, value, ifAbsent } of changes) {
          // The promise of each change settles with that of the batch; one of them is enough.
          const change =
            value === undefined
              ? database.remove(asBuffer(key))
              : (database as unknown as OptionPut).put(asBuffer(key), asBuffer(value), {
                  noOverwrite: ifAbsent === true,
                })
          change.catch(() => undefined)
        }
      })
    } catch (error) {
      throw toLedgerError(error, 'write to the database in', this.#directory)
    }
  }

  async clear(): Promise<void> {
    try {
      await this.#database.clearAsync()
    } catch (error) {
      throw toLedgerError(error, 'clear the database in', this.#directory)
    }
  }

  async close(): Promise<void> {
    try {
      await this.#database.flushed
      await this.#database.close()
    } catch (error) {
      throw toLedgerError(error, 'close the database in', this.#directory)
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
