/**
 * One open file. Every call may reject with what the operating system reported (`code` as of
 * `NodeJS.ErrnoException`: ENOSPC, EIO, EROFS…).
 */
export interface StorageFile {
  size(): Promise<number>
  /** Fills `buffer` from byte `position` on; resolves to the bytes read, fewer only at the end. */
  read(buffer: Uint8Array, position: number): Promise<number>
  /** Writes the buffers, one behind the other. When it rejects, any part may have been written. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>
  /** As fdatasync(2): all that was written survives a power loss. After a failure, nothing is sure. */
  sync(): Promise<void>
  /** Cuts the file to `size` bytes; durable when it resolves. */
  truncate(size: number): Promise<void>
  /** Whether it is the file of this path now: nobody removed, moved or replaced it. Never rejects. */
  isAt(path: string): Promise<boolean>
  close(): Promise<void>
}

/** Files by their path. */
export interface Files {
  /** Makes the directory and those above it; harmless when it is there. */
  makeDirectory(path: string): Promise<void>
  /** Names of the files in a directory, in no order. */
  list(directory: string): Promise<string[]>
  /** `write` makes the file when it is missing, and reads too; `read` rejects with ENOENT then. */
  open(path: string, mode: 'read' | 'write'): Promise<StorageFile>
  /** Replaces `to` at once. */
  rename(from: string, to: string): Promise<void>
  /** Harmless when the file is not there. */
  remove(path: string): Promise<void>
  /** Makes the names in a directory durable: after making, renaming or removing a file. */
  syncDirectory(path: string): Promise<void>
}

/** A change of a {@link KeyValueStore}. */
export interface KeyChange {
  /** 1 to 1,100 bytes. */
  readonly key: Uint8Array
  /** Absent: removes the key. */
  readonly value: Uint8Array | undefined
}

/** A key and its value. */
export interface KeyValue {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** What was committed at one moment, whatever is committed later. */
export interface KeyValueSnapshot {
  /** As that of a {@link KeyValueStore}. */
  range(from: Uint8Array, to: Uint8Array, limit: number): Iterable<KeyValue>
  /** To be called soon: until then nothing that is replaced makes room. */
  close(): void
}

/** Keys in order of their bytes. After a crash all of a commit is there or nothing of it. */
export interface KeyValueStore {
  /** What was wrong when it was opened and is empty for that reason; undefined when nothing was. */
  readonly repaired?: string | undefined
  /** The value of a key, committed; absent when there is none. */
  get(key: Uint8Array): Uint8Array | undefined
  /** Keys from `from` up to but without `to`, in order. Nothing may be committed meanwhile. */
  range(from: Uint8Array, to: Uint8Array, limit: number): Iterable<KeyValue>
  snapshot(): KeyValueSnapshot
  /**
   * Carries out all changes or none. It holds up the process meanwhile: some microseconds a key, and
   * a sync if the store is `synced`.
   *
   * @throws LedgerError LEDGER_DISK_FULL, LEDGER_IO: none was carried out; it may be tried again
   */
  commit(changes: readonly KeyChange[]): void
  /** Removes every key. @throws LedgerError as `commit` */
  clear(): void
  close(): Promise<void>
}

/**
 * What a power loss may do to a key-value store: nothing (`synced`: each commit waits for the disk),
 * or empty it (`rebuildable`: none does). A crash of the process does nothing to either.
 */
export type KeyValueDurability = 'synced' | 'rebuildable'

/** The right to use a directory. */
export interface DirectoryLock {
  /** Lets others have it. Twice is harmless. */
  release(): Promise<void>
}

/** All that this package asks of the machine it runs on. */
export interface Storage {
  readonly files: Files
  /**
   * The boot of this machine, other than every other one; absent, or undefined, where boots cannot be
   * told apart: then every crash may have been a power loss.
   */
  boot?(): Promise<string | undefined>
  /** Takes a directory for this process. @throws LedgerError LEDGER_LOCKED when somebody has it */
  lock(directory: string): Promise<DirectoryLock>
  /** Opens the key-value store in a directory, which is made when it is missing. */
  openKeyValues(directory: string, durability: KeyValueDurability): Promise<KeyValueStore>
}
