import type { Logger, Metrics } from '@heddle/interface'
import type { BootMarker } from '../storage/boot-marker.ts'
import { CommitQueue } from '../records/commit-queue.ts'
import { LedgerError, toLedgerError } from '../errors.ts'
import type { JournalOptions } from './journal-options.ts'
import { decodeFrame, encodeFrame, framesOf } from './journal-frame.ts'
import { journalMetrics } from '../metrics.ts'
import type { JournalMetrics } from '../metrics.ts'
import type { Journal } from '../ports.ts'
import { RecordFile } from '../records/record-file.ts'
import type { RecordBody } from '../records/record-file.ts'
import { headerBytes } from '../records/record-format.ts'
import type { Files } from '../storage/storage.ts'

const maxGroupBytes = 16 * 1024 * 1024

/** What an open journal works with. */
export interface JournalParts {
  readonly files: Files
  readonly dir: string
  readonly path: string
  readonly release: () => Promise<void>
  readonly marker: BootMarker
  readonly logger: Logger | undefined
  readonly metrics: Metrics | undefined
}

/** One thing to do, in the order of the calls. */
type Task =
  | { readonly kind: 'append'; readonly frame: RecordBody }
  | { readonly kind: 'rewrite'; readonly frames: readonly RecordBody[] }
  | { readonly kind: 'read'; readonly into: Uint8Array[] }
  | { readonly kind: 'look'; readonly missing: string[] }

/** A journal in one record file, which a rewrite replaces by another. */
export class FileJournal implements Journal {
  readonly #parts: JournalParts
  readonly #bounds: Required<JournalOptions>
  readonly #queue: CommitQueue<Task>
  readonly #metrics: JournalMetrics
  #file: RecordFile
  /** Bytes of appends that are not in the file yet. */
  #appending = 0
  /** Set when it is unknown which file a power loss would leave. */
  #failed: LedgerError | undefined
  /** Whether anything could not be written: then what is on the disk may be in doubt. */
  #hasFailed = false
  #closing: Promise<void> | undefined
  #isLost = false

  private constructor(parts: JournalParts, bounds: Required<JournalOptions>, file: RecordFile) {
    this.#parts = parts
    this.#bounds = bounds
    this.#file = file
    this.#metrics = journalMetrics(parts.metrics)
    this.#queue = new CommitQueue({
      commit: (tasks) => this.#commit(tasks),
      onFailure: (error) => {
        this.#hasFailed = true
        this.#metrics.failed(error.code)
        parts.logger?.error('journal failed', { code: error.code }, error)
      },
      maxGroupBytes,
      maxPendingBytes: bounds.maxPendingBytes,
    })
  }

  /** Opens or makes the file. @throws LedgerError */
  static async open(parts: JournalParts, bounds: Required<JournalOptions>): Promise<FileJournal> {
    const { dir, files, path, marker } = parts
    try {
      // What a crash in the middle of a rewrite left: the old file still counts.
      await files.remove(`${path}.new`)
      const isThere = (await files.list(dir)).some((name) => path.endsWith(name))
      const visit = (): void => undefined
      const found = isThere
        ? await RecordFile.open(files, {
            ...{ path, syncedBelow: 0n, visit },
            wasPowerKept: await marker.wasPowerKept(),
          })
        : undefined
      const file = found ?? (await RecordFile.create(files, path, 0n))
      // Also when it was there: the process that renamed it may have died before it could do this.
      await files.syncDirectory(dir)
      await marker.opened()
      return new FileJournal(parts, bounds, file)
    } catch (error) {
      throw toLedgerError(error, 'open the journal', path)
    }
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    this.#refuse()
    const frame = encodeFrame(records)
    const bytes = this.#checkSize(frame)
    if (records.length === 0) return
    this.#checkFileSize(bytes)
    this.#queue.checkRoom(bytes)
    this.#appending += bytes
    try {
      await this.#queue.push({ kind: 'append', frame }, bytes)
    } finally {
      this.#appending -= bytes
    }
  }

  async records(): Promise<Uint8Array[]> {
    this.#refuse()
    const into: Uint8Array[] = []
    await this.#queue.push({ kind: 'read', into }, 0, true)
    return into
  }

  async rewrite(records: readonly Uint8Array[]): Promise<void> {
    this.#refuse()
    const frames = framesOf(records)
    const bytes = frames.reduce((sum, frame) => sum + this.#checkSize(frame), 0)
    this.#queue.checkRoom(bytes)
    return this.#queue.push({ kind: 'rewrite', frames }, bytes, true)
  }

  get isLost(): boolean {
    return this.#isLost
  }

  async missingFiles(): Promise<string[]> {
    if (this.#closing !== undefined) throw closedError()
    const missing: string[] = []
    // In turn with rewrites, in whose middle the file is another one's.
    await this.#queue.push({ kind: 'look', missing }, 0, true)
    return missing
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #commit(tasks: readonly Task[]): Promise<number> {
    const [first] = tasks
    if (first?.kind === 'rewrite') {
      await this.#replace(first.frames)
      return 1
    }
    if (first?.kind === 'read') {
      await this.#file.scan(({ body }) => first.into.push(...decodeFrame(body)))
      return 1
    }
    if (first?.kind === 'look') {
      this.#isLost = !(await this.#file.isInPlace())
      if (this.#isLost) first.missing.push(this.#file.path)
      return 1
    }
    const frames = tasks.flatMap((task) => (task.kind === 'append' ? [task.frame] : []))
    const bytes = frames.reduce((sum, frame) => sum + sizeOf(frame), 0)
    await this.#file.append(frames)
    this.#metrics.appended(frames.length, bytes, this.#file.size)
    return tasks.length
  }

  /** Writes a new file beside the old one, and puts it in its place. */
  async #replace(frames: readonly RecordBody[]): Promise<void> {
    const { dir, files, path } = this.#parts
    if (this.#isLost) await files.makeDirectory(dir)
    const fresh = await this.#writeNew(frames)
    try {
      await files.rename(fresh.path, path)
    } catch (error) {
      await fresh.close().catch(() => undefined)
      throw toLedgerError(error, 'replace', path)
    }
    const old = this.#file
    this.#file = fresh.renamed(path)
    this.#isLost = false
    await old.close().catch(() => undefined)
    try {
      await files.syncDirectory(dir)
    } catch (error) {
      // A power loss may bring the old file back, without what would now be appended to the new one.
      this.#failed = toLedgerError(error, 'sync', dir)
      throw this.#failed
    }
    this.#metrics.appended(0, 0, this.#file.size)
  }

  /** A synced file with the frames; a failure leaves nothing of it. */
  async #writeNew(frames: readonly RecordBody[]): Promise<RecordFile> {
    const { files, path } = this.#parts
    const fresh = `${path}.new`
    let file: RecordFile | undefined
    try {
      file = await RecordFile.create(files, fresh, 0n)
      if (frames.length > 0) await file.append(frames)
      return file
    } catch (error) {
      await file?.close().catch(() => undefined)
      await files.remove(fresh).catch(() => undefined)
      throw toLedgerError(error, 'write', fresh)
    }
  }

  async #close(): Promise<void> {
    // Lets `#closing` be set before anything else happens.
    await Promise.resolve()
    await this.#queue.idle()
    const closed = await Promise.allSettled([this.#file.close()])
    // Without it, a torn record is taken for what a power loss left, as ever.
    if (!this.#hasFailed) await this.#parts.marker.closed().catch(() => undefined)
    await this.#parts.release()
    if (closed[0].status === 'rejected')
      throw toLedgerError(closed[0].reason, 'close', this.#file.path)
  }

  #checkSize(frame: RecordBody): number {
    const bytes = sizeOf(frame)
    const { maxRecordBytes } = this.#bounds
    if (bytes <= maxRecordBytes) return bytes
    const message = `records of ${bytes} bytes, more than ${maxRecordBytes}, cannot be written at once`
    throw new LedgerError('LEDGER_TOO_LARGE', message, { file: this.#parts.path })
  }

  /** Refuses before anything is queued, so that a rewrite which is on its way is not held up. */
  #checkFileSize(bytes: number): void {
    const { maxJournalBytes } = this.#bounds
    if (this.#file.size + this.#appending + bytes <= maxJournalBytes) return
    const message = `the journal would grow beyond ${maxJournalBytes} bytes: rewrite it with what is still needed`
    throw new LedgerError('LEDGER_TOO_LARGE', message, { file: this.#file.path })
  }

  #refuse(): void {
    if (this.#closing !== undefined) throw closedError()
    if (this.#failed === undefined) return
    const message = 'the journal failed earlier and takes no more records: open it again'
    throw new LedgerError('LEDGER_FAILED', message, { cause: this.#failed, file: this.#parts.path })
  }
}

const closedError = (): LedgerError => new LedgerError('LEDGER_CLOSED', 'the journal is closed')

const sizeOf = (frame: RecordBody): number =>
  frame.reduce((sum, part) => sum + part.length, headerBytes)
