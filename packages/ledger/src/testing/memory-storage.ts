import { LedgerError } from '../errors.ts'
import type {
  DirectoryLock,
  Files,
  KeyValueDurability,
  KeyValueStore,
  Storage,
} from '../storage/storage.ts'
import { MemoryFiles } from './memory-files.ts'
import type { CrashMode } from './memory-files.ts'
import { MemoryKeyValues } from './memory-key-values.ts'
import type { MemoryKeyValueDisk } from './memory-key-values.ts'

/** A machine's storage in memory: what was written outlives `close`, what was synced a crash. */
export class MemoryStorage implements Storage {
  /** The files that are there; others after a crash. */
  memory = new MemoryFiles()
  /** What opened ledgers see; a test may put a {@link FaultyFiles} around `memory` here. */
  files: Files = this.memory
  /** When set, commits of key-value stores throw it: a full disk. */
  keyValueFailure: LedgerError | undefined
  readonly #rebuildable = new Set<string>()
  readonly #keyValues = new Map<string, MemoryKeyValueDisk>()
  #locks = new Set<string>()

  lock(directory: string): Promise<DirectoryLock> {
    const locks = this.#locks
    if (locks.has(directory)) {
      const message = `${directory} is in use`
      return Promise.reject(new LedgerError('LEDGER_LOCKED', message, { file: directory }))
    }
    locks.add(directory)
    const release = (): Promise<void> => Promise.resolve(void locks.delete(directory))
    return Promise.resolve({ release })
  }

  openKeyValues(directory: string, durability: KeyValueDurability): Promise<KeyValueStore> {
    const disk = this.#keyValues.get(directory) ?? new Map<string, Uint8Array>()
    this.#keyValues.set(directory, disk)
    if (durability === 'rebuildable') this.#rebuildable.add(directory)
    return Promise.resolve(new MemoryKeyValues(disk, () => this.keyValueFailure))
  }

  /** Forgets a key-value store, as if its directory had been removed. */
  removeKeyValues(directory: string): void {
    this.#keyValues.delete(directory)
  }

  /**
   * A crash: everything open is cut off, locks are free, of what was not synced there is what `mode`
   * says.
   *
   * @param random - 0 to 1, as of `Math.random`; from a seed, so that a failure can be repeated
   */
  crash(mode: CrashMode = 'lose', random: () => number = () => 0): void {
    this.memory = this.memory.afterCrash(mode, random)
    // Who is cut off keeps what he had: what it does from now on reaches the disk no more.
    for (const [directory, disk] of this.#keyValues) {
      const isPowerLoss = mode === 'lose' || mode === 'torn'
      const isLost = isPowerLoss && this.#rebuildable.has(directory)
      this.#keyValues.set(directory, new Map(isLost ? [] : disk))
    }
    this.#locks = new Set()
    this.files = this.memory
    this.keyValueFailure = undefined
  }
}
