import type { Files, StorageFile } from '../storage/storage.ts'
import { errno } from './memory-files.ts'

/** What goes wrong; change it at any time. Unset: nothing. */
export interface Faults {
  /** Bytes that still fit. A write beyond writes what fits and rejects with ENOSPC. */
  freeBytes?: number | undefined
  /** Error code with which every write rejects after half of its bytes: `EIO`, `EROFS`… */
  write?: string | undefined
  /** Error code with which every sync of a file rejects; what was written stays unsynced. */
  sync?: string | undefined
  /** Error code with which every sync of a directory rejects. */
  syncDirectory?: string | undefined
  /** Error code with which cutting a file rejects. */
  truncate?: string | undefined
  /** Error code with which every read rejects. */
  read?: string | undefined
}

/** A file layer around another one, in which {@link Faults} happen. */
export class FaultyFiles implements Files {
  readonly faults: Faults
  readonly #inner: Files

  constructor(inner: Files, faults: Faults = {}) {
    this.#inner = inner
    this.faults = faults
  }

  makeDirectory(path: string): Promise<void> {
    return this.#inner.makeDirectory(path)
  }

  list(directory: string): Promise<string[]> {
    return this.#inner.list(directory)
  }

  async open(path: string, mode: 'read' | 'write'): Promise<StorageFile> {
    return new FaultyFile(await this.#inner.open(path, mode), path, this.faults)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#inner.rename(from, to)
  }

  remove(path: string): Promise<void> {
    return this.#inner.remove(path)
  }

  async syncDirectory(path: string): Promise<void> {
    if (this.faults.syncDirectory !== undefined) throw errno(this.faults.syncDirectory, path)
    await this.#inner.syncDirectory(path)
  }
}

class FaultyFile implements StorageFile {
  readonly #inner: StorageFile
  readonly #path: string
  readonly #faults: Faults

  constructor(inner: StorageFile, path: string, faults: Faults) {
    this.#inner = inner
    this.#path = path
    this.#faults = faults
  }

  size(): Promise<number> {
    return this.#inner.size()
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    if (this.#faults.read !== undefined) throw errno(this.#faults.read, this.#path)
    return this.#inner.read(buffer, position)
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const bytes = Buffer.concat(buffers)
    const code = this.#faults.write
    if (code !== undefined) {
      await this.#inner.write([bytes.subarray(0, bytes.length >> 1)], position)
      throw errno(code, this.#path)
    }
    const free = this.#faults.freeBytes ?? Infinity
    if (bytes.length > free) {
      await this.#inner.write([bytes.subarray(0, free)], position)
      this.#faults.freeBytes = 0
      throw errno('ENOSPC', this.#path)
    }
    if (this.#faults.freeBytes !== undefined) this.#faults.freeBytes -= bytes.length
    await this.#inner.write([bytes], position)
  }

  async sync(): Promise<void> {
    if (this.#faults.sync !== undefined) throw errno(this.#faults.sync, this.#path)
    await this.#inner.sync()
  }

  async truncate(size: number): Promise<void> {
    if (this.#faults.truncate !== undefined) throw errno(this.#faults.truncate, this.#path)
    await this.#inner.truncate(size)
  }

  isAt(path: string): Promise<boolean> {
    return this.#inner.isAt(path)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
