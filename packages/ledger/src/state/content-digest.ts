import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { Budget, Holds } from '@heddle/events'
import type { Clock } from '@heddle/interface'
import { LedgerError } from '../errors.ts'
import type { Savepoint, StateContent } from '../ports.ts'
import { hashField } from './state-digest.ts'
import { entriesEnd, entriesStart } from './state-keys.ts'
import type { KeyValueSnapshot, KeyValueStore } from '../storage/storage.ts'

/** Entries, and bytes of values, that are digested before others have a turn. */
export const sliceEntries = 256
export const sliceBytes = 1024 * 1024

/** Most milliseconds in a second, in the long run and at once, that go into digests. */
export const digestMsPerSecond = 100
export const digestBurstMs = 500

/** What a digester works with. */
export interface ContentDigesterDeps {
  readonly store: KeyValueStore
  readonly clock: Clock
  /** Commits what waits. @returns how far the state has come then. @throws LedgerError as the store's `commit` */
  readonly settle: () => Savepoint
}

/**
 * Digests all entries of a snapshot, a slice at a time and once for all who ask meanwhile: however large
 * the state and however often somebody asks, blocks go on.
 */
export class ContentDigester {
  readonly #deps: ContentDigesterDeps
  readonly #budget: Budget<'cpu'>
  readonly #holds: Holds
  #known: StateContent | undefined
  #running: Promise<StateContent> | undefined
  #closed = false

  constructor(deps: ContentDigesterDeps) {
    this.#deps = deps
    this.#holds = new Holds(deps.clock)
    const cpu = { perSecond: digestMsPerSecond, burst: digestBurstMs }
    this.#budget = new Budget(deps.clock, { limits: { cpu }, maxHeldMs: Infinity })
  }

  /** @throws LedgerError LEDGER_CLOSED, LEDGER_CORRUPT, and as the store's `commit` */
  async digest(): Promise<StateContent> {
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
    const { savepoint, digest } = await this.#running
    return { savepoint, digest: Uint8Array.from(digest) }
  }

  /** Resolves when nothing reads the store any more. */
  async close(): Promise<void> {
    this.#closed = true
    this.#holds.release()
    await this.#running?.catch(() => undefined)
  }

  async #run(): Promise<StateContent> {
    const savepoint = this.#deps.settle()
    // Between two savepoints nothing changes.
    if (this.#known?.savepoint === savepoint) return this.#known
    const snapshot = this.#deps.store.snapshot()
    try {
      const digest = await this.#digestOf(snapshot)
      this.#known = { savepoint, digest }
      return this.#known
    } finally {
      snapshot.close()
    }
  }

  async #digestOf(snapshot: KeyValueSnapshot): Promise<Uint8Array> {
    const { clock } = this.#deps
    const hash = createHash('sha256')
    let from: Uint8Array | undefined = entriesStart
    for (;;) {
      const begun = clock.now()
      from = digestSlice(hash, snapshot, from)
      if (from === undefined) return Uint8Array.from(hash.digest())
      this.#budget.spend('cpu', clock.now() - begun)
      await this.#pause(this.#budget.settle()?.holdMs)
      if (this.#closed) throw new LedgerError('LEDGER_CLOSED', 'the state store is closed')
    }
  }

  async #pause(ms: number | undefined): Promise<void> {
    if (ms === undefined) {
      await new Promise((resolve) => setImmediate(resolve))
      return
    }
    if (!this.#closed) await this.#holds.hold(ms)
  }
}

/** Digests entries from `from` on. @returns where to go on; undefined at the end */
function digestSlice(
  hash: Hash,
  snapshot: KeyValueSnapshot,
  from: Uint8Array,
): Uint8Array | undefined {
  let bytes = 0
  let entries = 0
  for (const { key, value } of snapshot.range(from, entriesEnd, sliceEntries)) {
    hashField(hash, key.subarray(1))
    hashField(hash, value)
    bytes += value.length
    entries += 1
    if (entries === sliceEntries || bytes >= sliceBytes) return Buffer.concat([key, Buffer.of(0)])
  }
  return undefined
}
