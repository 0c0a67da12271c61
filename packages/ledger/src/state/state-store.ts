import type { Clock, Logger } from '@heddle/interface'
import { ContentDigester } from './content-digest.ts'
import { LedgerError } from '../errors.ts'
import type { LedgerMetrics } from '../metrics.ts'
import { numberOption } from '../options.ts'
import type {
  EntriesOptions,
  Savepoint,
  StateContent,
  StateEntry,
  StateStore,
  StateWrite,
} from '../ports.ts'
import { nextStateDigest } from './state-digest.ts'
import {
  checkWrite,
  decodeSavepoint,
  encodeSavepoint,
  entryName,
  isName,
  maxEntryKeyBytes,
  namespaceEnd,
  savepointKey,
} from './state-keys.ts'
import type { KeyChange, KeyValueStore } from '../storage/storage.ts'

/** Changes that are gathered before they are committed together: a few milliseconds of work. */
export const flushChanges = 2_048
/** Bytes of changes that are gathered before they are committed together. */
export const flushBytes = 4 * 1024 * 1024
/** Changes that may wait in memory while commits fail; with more, `apply` is refused. */
export const maxWaitingChanges = 65_536
/** Bytes of changes that may wait in memory while commits fail; with more, `apply` is refused. */
export const maxWaitingBytes = 64 * 1024 * 1024

/** What a state store works with. */
export interface StateStoreDeps {
  readonly store: KeyValueStore
  /** The most blocks that may have been applied: those that are durable. */
  readonly blocks: () => bigint
  readonly clock: Clock
  readonly metrics: LedgerMetrics
  readonly logger?: Logger | undefined
}

/*
 * Savepoint and entries change in one commit: whatever a crash undoes, the entries are those of the
 * savepoint. Several blocks share a commit, since each costs a sync and the block file has it all.
 */

/** The state, in a key-value store, with the last few changes in memory. */
export class KeyValueStateStore implements StateStore {
  readonly #deps: StateStoreDeps
  /** Changes that wait to be committed, by their key as text, the last for each key. */
  readonly #waiting = new Map<string, Uint8Array | undefined>()
  #waitingBytes = 0
  /** Blocks whose changes wait. */
  #waitingBlocks = 0
  /** As many changes, or bytes of them, must wait before the next commit. */
  #due = flushChanges
  #dueBytes = flushBytes
  #savepoint: Savepoint
  readonly #content: ContentDigester
  #closed = false

  constructor(deps: StateStoreDeps) {
    this.#deps = deps
    this.#savepoint = decodeSavepoint(deps.store.get(savepointKey))
    this.#content = new ContentDigester({
      ...deps,
      settle: () => {
        this.#flush()
        return this.#savepoint
      },
    })
  }

  get savepoint(): Savepoint {
    return this.#savepoint
  }

  get(namespace: string, key: string): Uint8Array | undefined {
    this.#refuseClosed()
    if (!isName(namespace, key)) return undefined
    const name = entryName(namespace, key)
    if (this.#waiting.has(name)) return copyOf(this.#waiting.get(name))
    return copyOf(this.#deps.store.get(Buffer.from(name)))
  }

  entries(namespace: string, options: EntriesOptions = {}): StateEntry[] {
    this.#refuseClosed()
    const limit = numberOption('limit', options.limit, 1_000, [1, Number.MAX_SAFE_INTEGER])
    if (!isName(namespace, 'k')) return []
    this.#flush()
    const from = Buffer.from(entryName(namespace, options.from ?? ''))
    const start = from.subarray(0, maxEntryKeyBytes)
    const prefix = Buffer.byteLength(entryName(namespace, ''))
    const result: StateEntry[] = []
    const maxBytes = numberOption('maxBytes', options.maxBytes, Number.MAX_SAFE_INTEGER, [
      1,
      Number.MAX_SAFE_INTEGER,
    ])
    let bytes = 0
    for (const { key, value } of this.#deps.store.range(start, namespaceEnd(namespace), limit)) {
      const name = Buffer.from(key).toString('utf8', prefix)
      result.push({ key: name, value: Uint8Array.from(value) })
      bytes += value.length
      if (bytes >= maxBytes) break
    }
    return result
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws must be a rejection
  async apply(
    height: bigint,
    sequence: bigint,
    writes: readonly StateWrite[],
    known?: Uint8Array,
  ): Promise<void> {
    this.#refuseClosed()
    const isBlock = this.#checkOrder(height, sequence, writes)
    for (const write of writes) checkWrite(write)
    if (this.#waiting.size >= maxWaitingChanges || this.#waitingBytes >= maxWaitingBytes) {
      this.#flush()
    }
    const { digest } = this.#savepoint
    // Before any change: whoever wrote the values may do with them what he likes from now on.
    const next = isBlock ? (copyOf(known) ?? nextStateDigest(digest, height, writes)) : digest
    for (const { namespace, key, value } of writes) {
      this.#waiting.set(entryName(namespace, key), copyOf(value))
      this.#waitingBytes += key.length + (value?.length ?? 0)
    }
    this.#waitingBlocks += 1
    this.#savepoint = { height, sequence, digest: next }
    this.#flushIfDue()
  }

  async contentDigest(): Promise<StateContent> {
    this.#refuseClosed()
    return this.#content.digest()
  }

  /** Commits what was applied and closes the key-value store. @throws LedgerError as its `commit` */
  async close(): Promise<void> {
    this.#closed = true
    await this.#content.close()
    try {
      this.#flush()
    } finally {
      await this.#deps.store.close()
    }
  }

  /** Whether this is a block rather than an empty batch. @throws LedgerError LEDGER_OUT_OF_ORDER */
  #checkOrder(height: bigint, sequence: bigint, writes: readonly StateWrite[]): boolean {
    const last = this.#savepoint
    const isBlock = height === last.height + 1n && sequence >= last.sequence
    const isEmpty = height === last.height && sequence > last.sequence && writes.length === 0
    if (!isBlock && !isEmpty) {
      const at = `height ${last.height.toString()}, sequence ${last.sequence.toString()}`
      throw outOfOrder(height, sequence, `the state is at ${at}`)
    }
    if (height > this.#deps.blocks()) throw outOfOrder(height, sequence, 'its block is not durable')
    return isBlock
  }

  /** Commits when enough waits; a failure leaves it waiting until as much again has gathered. */
  #flushIfDue(): void {
    const changes = Math.max(this.#waiting.size, this.#waitingBlocks)
    if (changes < this.#due && this.#waitingBytes < this.#dueBytes) return
    try {
      this.#flush()
    } catch (error) {
      this.#due = changes + flushChanges
      this.#dueBytes = this.#waitingBytes + flushBytes
      const { height, sequence } = this.#savepoint
      this.#deps.logger?.error('state commit failed', { height, sequence, changes }, error)
    }
  }

  /** Commits all that waits. @throws LedgerError as the store's `commit`; then it goes on waiting */
  #flush(): void {
    if (this.#waitingBlocks === 0) return
    const { clock, metrics, store } = this.#deps
    const begun = clock.now()
    const changes: KeyChange[] = []
    for (const [name, value] of this.#waiting) changes.push({ key: Buffer.from(name), value })
    changes.sort((a, b) => Buffer.compare(a.key, b.key))
    changes.push({ key: savepointKey, value: encodeSavepoint(this.#savepoint) })
    try {
      store.commit(changes)
    } catch (error) {
      if (error instanceof LedgerError) metrics.failed(error.code)
      throw error
    }
    this.#waiting.clear()
    this.#waitingBytes = 0
    this.#waitingBlocks = 0
    this.#due = flushChanges
    this.#dueBytes = flushBytes
    metrics.stateCommitted((clock.now() - begun) / 1_000)
  }

  #refuseClosed(): void {
    if (this.#closed) throw new LedgerError('LEDGER_CLOSED', 'the state store is closed')
  }
}

const copyOf = (value: Uint8Array | undefined): Uint8Array | undefined =>
  value && Uint8Array.from(value)

function outOfOrder(height: bigint, sequence: bigint, why: string): LedgerError {
  const what = `height ${height.toString()}, sequence ${sequence.toString()}`
  return new LedgerError('LEDGER_OUT_OF_ORDER', `${what} cannot be applied: ${why}`)
}
