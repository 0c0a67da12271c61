import type { StateView, StateWrite } from '../rules/state-view.ts'

interface PendingWrite {
  readonly height: bigint
  readonly value: Uint8Array | undefined
}

/**
 * The stored state, and over it what blocks wrote that are executed but not yet stored. Bounded by
 * the executions in flight.
 */
export class PendingState implements StateView {
  readonly #stored: StateView
  readonly #writes = new Map<string, PendingWrite>()
  readonly #txIds = new Set<string>()

  constructor(stored: StateView) {
    this.#stored = stored
  }

  get(namespace: string, key: string): Uint8Array | undefined {
    const pending = this.#writes.get(`${namespace}\0${key}`)
    return pending === undefined ? this.#stored.get(namespace, key) : pending.value
  }

  /** Whether a block not yet stored holds the transaction. */
  hasTransaction(txId: string): boolean {
    return this.#txIds.has(txId)
  }

  /** Adds what a block wrote. `height` counts the blocks with this one. */
  add(height: bigint, writes: readonly StateWrite[], txIds: readonly string[]): void {
    for (const { namespace, key, value } of writes) {
      this.#writes.set(`${namespace}\0${key}`, { height, value })
    }
    for (const txId of txIds) this.#txIds.add(txId)
  }

  /** Forgets what a block wrote, once it is stored; later writes of the same keys stay. */
  stored(height: bigint, writes: readonly StateWrite[], txIds: readonly string[]): void {
    for (const { namespace, key } of writes) {
      const name = `${namespace}\0${key}`
      if (this.#writes.get(name)?.height === height) this.#writes.delete(name)
    }
    for (const txId of txIds) this.#txIds.delete(txId)
  }
}
