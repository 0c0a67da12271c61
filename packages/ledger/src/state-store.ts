import { createHash } from 'node:crypto'
import type { Clock } from '@heddle/interface'
import { CommitQueue } from './commit-queue.ts'
import { LedgerError } from './errors.ts'
import type { LedgerMetrics } from './metrics.ts'
import { numberOption } from './options.ts'
import type { EntriesOptions, Savepoint, StateEntry, StateStore, StateWrite } from './ports.ts'
import { hashField, nextStateDigest, stateDigestSeed } from './state-digest.ts'
import type { KeyChange, KeyValueStore } from './storage.ts'

/** Most bytes of a namespace, in UTF-8. */
export const maxNamespaceBytes = 64
/** Most bytes of a key, in UTF-8. */
export const maxKeyBytes = 1_024
/** Most bytes of state changes that wait for their commit. */
export const maxPendingStateBytes = 256 * 1024 * 1024
const maxGroupBytes = 32 * 1024 * 1024

/** What a state store works with. */
export interface StateStoreDeps {
  readonly store: KeyValueStore
  /** The most blocks that may have been applied: those that are durable. */
  readonly blocks: () => bigint
  readonly clock: Clock
  readonly metrics: LedgerMetrics
}

interface Applied {
  readonly savepoint: Savepoint
  readonly changes: readonly KeyChange[]
}

/*
 * Keys: `e`, namespace, NUL, key → value; `s` → height u64, sequence u64, digest 32.
 * Savepoint and entries change in one commit, and commits come one after the other: whatever a crash
 * undoes, the entries are those of the savepoint.
 */

/** The state, in a key-value store. */
export class KeyValueStateStore implements StateStore {
  readonly #deps: StateStoreDeps
  readonly #queue: CommitQueue<Applied>
  #savepoint: Savepoint
  /** As the savepoint will be when all that was accepted is committed. */
  #accepted: Savepoint
  #content: { readonly at: Savepoint; readonly digest: Uint8Array } | undefined
  #closed = false

  constructor(deps: StateStoreDeps) {
    this.#deps = deps
    this.#savepoint = readSavepoint(deps.store)
    this.#accepted = this.#savepoint
    this.#queue = new CommitQueue({
      commit: (items) => this.#commit(items),
      onFailure: (error) => {
        this.#accepted = this.#savepoint
        deps.metrics.failed(error.code)
      },
      maxGroupBytes,
      maxPendingBytes: maxPendingStateBytes,
    })
  }

  get savepoint(): Savepoint {
    return this.#savepoint
  }

  get(namespace: string, key: string): Uint8Array | undefined {
    this.#refuseClosed()
    const value = isName(namespace, key)
      ? this.#deps.store.get(entryKey(namespace, key))
      : undefined
    return value && Uint8Array.from(value)
  }

  entries(namespace: string, options: EntriesOptions = {}): StateEntry[] {
    this.#refuseClosed()
    const limit = numberOption('limit', options.limit, 1_000, [1, Number.MAX_SAFE_INTEGER])
    if (!isName(namespace, 'k')) return []
    const from = entryKey(namespace, options.from ?? '')
    const start = from.subarray(0, maxEntryKeyBytes)
    const prefix = entryKey(namespace, '').length
    const result: StateEntry[] = []
    for (const { key, value } of this.#deps.store.range(start, namespaceEnd(namespace), limit)) {
      const name = Buffer.from(key).toString('utf8', prefix)
      result.push({ key: name, value: Uint8Array.from(value) })
    }
    return result
  }

  async apply(height: bigint, sequence: bigint, writes: readonly StateWrite[]): Promise<void> {
    this.#refuseClosed()
    const last = this.#accepted
    const isBlock = height === last.height + 1n && sequence >= last.sequence
    const isEmpty = height === last.height && sequence > last.sequence && writes.length === 0
    if (!isBlock && !isEmpty) {
      const at = `height ${last.height.toString()}, sequence ${last.sequence.toString()}`
      throw outOfOrder(height, sequence, `the state is at ${at}`)
    }
    if (height > this.#deps.blocks()) throw outOfOrder(height, sequence, 'its block is not durable')
    const changes = writes.map(({ namespace, key, value }): KeyChange => {
      checkName(namespace, key)
      return { key: entryKey(namespace, key), value }
    })
    const digest = isBlock ? nextStateDigest(last.digest, height, writes) : last.digest
    const savepoint = { height, sequence, digest }
    const bytes = changes.reduce(
      (sum, { key, value }) => sum + key.length + (value?.length ?? 0),
      64,
    )
    this.#queue.checkRoom(bytes)
    const committed = this.#queue.push({ savepoint, changes }, bytes)
    this.#accepted = savepoint
    return committed
  }

  contentDigest(): Uint8Array {
    this.#refuseClosed()
    // Between two savepoints nothing changes.
    if (this.#content?.at === this.#savepoint) return Uint8Array.from(this.#content.digest)
    const hash = createHash('sha256')
    const range = this.#deps.store.range(entryPrefix, entriesEnd, Number.MAX_SAFE_INTEGER)
    for (const { key, value } of range) {
      hashField(hash, key.subarray(1))
      hashField(hash, value)
    }
    const digest = Uint8Array.from(hash.digest())
    this.#content = { at: this.#savepoint, digest }
    return Uint8Array.from(digest)
  }

  /** Commits what was accepted and closes the key-value store. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#queue.idle()
    await this.#deps.store.close()
  }

  async #commit(items: readonly Applied[]): Promise<number> {
    const last = items.at(-1)
    if (last === undefined) return 0
    const { clock, metrics, store } = this.#deps
    const begun = clock.now()
    const changes = items.flatMap((item) => item.changes)
    await store.commit([...changes, { key: savepointKey, value: encodeSavepoint(last.savepoint) }])
    this.#savepoint = last.savepoint
    metrics.stateCommitted((clock.now() - begun) / 1_000)
    return items.length
  }

  #refuseClosed(): void {
    if (this.#closed) throw new LedgerError('LEDGER_CLOSED', 'the state store is closed')
  }
}

const savepointKey = Buffer.from('s')
const entryPrefix = Buffer.from('e')
/** Behind every entry. */
const entriesEnd = Buffer.from('f')
const maxEntryKeyBytes = 1 + maxNamespaceBytes + 1 + maxKeyBytes

const entryKey = (namespace: string, key: string): Buffer => Buffer.from(`e${namespace}\0${key}`)
/** Behind every key of the namespace: what follows its name is 1 instead of NUL. */
const namespaceEnd = (namespace: string): Buffer => Buffer.from(`e${namespace}\x01`)

function isName(namespace: string, key: string): boolean {
  const inRange = (text: string, most: number): boolean => {
    const bytes = Buffer.byteLength(text)
    return bytes >= 1 && bytes <= most
  }
  return (
    inRange(namespace, maxNamespaceBytes) &&
    inRange(key, maxKeyBytes) &&
    !namespace.includes('\0') &&
    // Half a surrogate pair has no UTF-8: two different keys would become one.
    !/\p{Cs}/u.test(namespace + key)
  )
}

function checkName(namespace: string, key: string): void {
  if (isName(namespace, key)) return
  const message =
    `a namespace must have 1 to ${maxNamespaceBytes} bytes of UTF-8 without NUL, ` +
    `a key 1 to ${maxKeyBytes} bytes of UTF-8`
  throw new LedgerError('LEDGER_BAD_KEY', message)
}

function outOfOrder(height: bigint, sequence: bigint, why: string): LedgerError {
  const what = `height ${height.toString()}, sequence ${sequence.toString()}`
  return new LedgerError('LEDGER_OUT_OF_ORDER', `${what} cannot be applied: ${why}`)
}

function encodeSavepoint({ height, sequence, digest }: Savepoint): Buffer {
  const bytes = Buffer.alloc(48)
  bytes.writeBigUInt64BE(height)
  bytes.writeBigUInt64BE(sequence, 8)
  bytes.set(digest, 16)
  return bytes
}

function readSavepoint(store: KeyValueStore): Savepoint {
  const value = store.get(savepointKey)
  if (value?.length !== 48) return { height: 0n, sequence: 0n, digest: stateDigestSeed() }
  const bytes = Buffer.from(value)
  return {
    height: bytes.readBigUInt64BE(),
    sequence: bytes.readBigUInt64BE(8),
    digest: Uint8Array.from(bytes.subarray(16)),
  }
}
