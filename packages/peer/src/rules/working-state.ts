import type { StateView, StateWrite } from './state-view.ts'

/** The state as the next transaction sees it: what this block wrote, over what was there before. */
export class WorkingState implements StateView {
  readonly #before: StateView
  readonly #written = new Map<string, StateWrite>()
  #unread: { readonly reason: unknown } | undefined

  constructor(before: StateView) {
    this.#before = before
  }

  get(namespace: string, key: string): Uint8Array | undefined {
    const write = this.#written.get(nameOf(namespace, key))
    if (write !== undefined) return write.value
    try {
      return this.#before.get(namespace, key)
    } catch (reason) {
      this.#unread ??= { reason }
      throw reason
    }
  }

  /**
   * Throws what reading the state threw, if anything did: a damaged disk is not a verdict on a
   * transaction, or this validator would sign another block than the others.
   */
  assertRead(): void {
    if (this.#unread !== undefined) throw this.#unread.reason
  }

  write(writes: readonly StateWrite[]): void {
    for (const write of writes) this.#written.set(nameOf(write.namespace, write.key), write)
  }

  /** The last write of each key, in the order in which the keys were first written. */
  get writes(): StateWrite[] {
    return [...this.#written.values()]
  }
}

/** One name for each key: a namespace holds no NUL. */
function nameOf(namespace: string, key: string): string {
  return `${namespace}\0${key}`
}
