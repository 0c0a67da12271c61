import type { AbortOptions, Clock, Logger } from '@heddle/interface'
import type { BlockFiles } from './blocks/block-files.ts'
import type { BlockIndex } from './index/block-index.ts'
import {
  checkSuccessor,
  decodeBlockRecord,
  encodeBlockRecord,
  headerOf,
  maxNoteBytes,
} from './blocks/block-record.ts'
import { CommitQueue } from './records/commit-queue.ts'
import { LedgerError } from './errors.ts'
import { BlockFollower } from './blocks/follow.ts'
import type { ResolvedLedgerOptions } from './ledger-options.ts'
import type { LedgerMetrics } from './metrics.ts'
import type { BlockRecord, Ledger, LedgerHeader, TxLocation } from './ports.ts'
import type { RecordBody } from './records/record-file.ts'
import type { KeyValueStateStore } from './state/state-store.ts'
import { packTxIds } from './index/tx-id.ts'

/** Bytes written and synced at once, when that much waits. */
export const maxGroupBytes = 16 * 1024 * 1024

/** The open parts of a ledger, which it closes. */
export interface LedgerParts {
  readonly files: BlockFiles
  readonly index: BlockIndex
  readonly state: KeyValueStateStore
  readonly release: () => Promise<void>
  readonly clock: Clock
  readonly metrics: LedgerMetrics
  readonly logger: Logger | undefined
}

interface PendingBlock {
  readonly header: LedgerHeader
  readonly body: RecordBody
  readonly packedTxIds: Buffer
  readonly note: Uint8Array | undefined
}

/** The last block that is durable. */
export interface LastBlock {
  readonly header: LedgerHeader
  readonly note: Uint8Array | undefined
}

/** A ledger over block files, index and state that are open and agree. */
export class FileLedger implements Ledger {
  readonly state: KeyValueStateStore
  readonly #parts: LedgerParts
  readonly #options: ResolvedLedgerOptions
  readonly #queue: CommitQueue<PendingBlock>
  readonly #wakers = new Set<() => void>()
  #last: LastBlock | undefined
  /** The last header that was accepted, durable or not. */
  #accepted: LedgerHeader | undefined
  #closing: Promise<void> | undefined

  constructor(parts: LedgerParts, options: ResolvedLedgerOptions, last: LastBlock | undefined) {
    this.#parts = parts
    this.#options = options
    this.state = parts.state
    this.#last = last
    this.#accepted = last?.header
    this.#queue = new CommitQueue({
      commit: (items) => this.#commit(items),
      onFailure: (error) => this.#onFailure(error),
      maxGroupBytes,
      maxPendingBytes: options.maxPendingBytes,
    })
  }

  get height(): bigint {
    return this.#last === undefined ? 0n : this.#last.header.number + 1n
  }

  get lastHeader(): LedgerHeader | undefined {
    return this.#last?.header
  }

  get lastNote(): Uint8Array | undefined {
    const { note } = this.#last ?? {}
    return note && Uint8Array.from(note)
  }

  async append(record: BlockRecord): Promise<void> {
    this.#refuseClosed()
    const header = headerOf(record.block)
    checkSuccessor(header, this.#accepted)
    const { block, txIds } = record
    const packed = packTxIds(txIds)
    const note = record.note && Uint8Array.from(record.note)
    if (note !== undefined && note.length > maxNoteBytes) {
      const message = `a note of ${note.length} bytes, more than ${maxNoteBytes}`
      throw new LedgerError('LEDGER_TOO_LARGE', message, { block: header.number })
    }
    const body = encodeBlockRecord(block, packed, note)
    const bytes = body.reduce((sum, part) => sum + part.length, 0)
    const { maxRecordBytes } = this.#options
    if (bytes > maxRecordBytes) {
      const message = `block ${header.number.toString()} takes ${bytes} bytes, more than ${maxRecordBytes}`
      throw new LedgerError('LEDGER_TOO_LARGE', message, { block: header.number })
    }
    this.#queue.checkRoom(bytes)
    const item = { header, body, packedTxIds: packed, note }
    const durable = this.#queue.push(item, bytes)
    this.#accepted = header
    return durable
  }

  async block(number: bigint): Promise<Uint8Array | undefined> {
    this.#refuseClosed()
    if (number < 0n || number >= this.height) return undefined
    const position = this.#parts.index.block(number)
    const body = position && (await this.#parts.files.read(position))
    const content = body && decodeBlockRecord(body)
    if (content !== undefined) return content.block
    const message = `block ${number.toString()} is stored, but the index does not find it: remove the directory index and open again`
    throw new LedgerError('LEDGER_CORRUPT', message, { block: number })
  }

  async blockByTxId(txId: string): Promise<Uint8Array | undefined> {
    const location = this.txLocation(txId)
    return location && this.block(location.block)
  }

  txLocation(txId: string): TxLocation | undefined {
    this.#refuseClosed()
    return this.#parts.index.transaction(txId)
  }

  follow(from: bigint, options?: AbortOptions): AsyncIterableIterator<Uint8Array> {
    const source = {
      height: () => this.height,
      block: (number: bigint) => this.block(number),
      onChange: (wake: () => void) => {
        this.#wakers.add(wake)
        return () => this.#wakers.delete(wake)
      },
      closed: () => (this.#closing === undefined ? undefined : closedError()),
    }
    return new BlockFollower(source, from, options)
  }

  async missingFiles(): Promise<string[]> {
    this.#refuseClosed()
    return this.#parts.files.missing()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #commit(items: readonly PendingBlock[]): Promise<number> {
    const { clock, files, index, metrics } = this.#parts
    // Before anything is written: what is durable must also be findable.
    index.checkRoom()
    const begun = clock.now()
    const bodies = items.map(({ body }) => body)
    // The blocks before these are indexed while the disk is at work.
    const positions = await files.append(bodies, () => index.flushSome())
    let bytes = 0
    for (const [at, position] of positions.entries()) {
      const item = items[at]
      if (item === undefined) break
      index.add(position, item.packedTxIds)
      this.#last = { header: item.header, note: item.note }
      bytes += position.length
    }
    metrics.appended(positions.length, bytes, (clock.now() - begun) / 1_000)
    metrics.height(this.height)
    this.#wake()
    return positions.length
  }

  #onFailure(error: LedgerError): void {
    // What waited is rejected: the next block to come is the one behind the last durable one.
    this.#accepted = this.#last?.header
    this.#parts.metrics.failed(error.code)
    this.#parts.logger?.error('append failed', { block: this.height, code: error.code }, error)
  }

  #wake(): void {
    const wakers = [...this.#wakers]
    this.#wakers.clear()
    for (const wake of wakers) wake()
  }

  async #close(): Promise<void> {
    await Promise.resolve()
    this.#wake()
    await this.#queue.idle()
    const { files, index, release, state } = this.#parts
    // Every part is closed, whatever happens to the others; the first failure is told.
    const results = await Promise.allSettled([index.close(), state.close(), files.close()])
    await release()
    const failure = results.find((result) => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw closedError()
  }
}

const closedError = (): LedgerError => new LedgerError('LEDGER_CLOSED', 'the ledger is closed')
