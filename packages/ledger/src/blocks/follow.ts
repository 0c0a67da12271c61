import type { AbortOptions } from '@heddle/interface'
import type { LedgerError } from '../errors.ts'

/** What a follower needs of a ledger. */
export interface FollowSource {
  /** Number of blocks there are. */
  height(): bigint
  block(number: bigint): Promise<Uint8Array | undefined>
  /** Calls `wake` once, when the height has changed or the ledger closed. @returns how to take it back */
  onChange(wake: () => void): () => void
  /** Why no more blocks will come. */
  closed(): LedgerError | undefined
}

/**
 * Blocks from a number on, for one consumer. Unlike a generator's, its `return` also ends a `next`
 * that waits: a consumer which goes away leaves nothing behind.
 */
export class BlockFollower implements AsyncIterableIterator<Uint8Array> {
  readonly #source: FollowSource
  readonly #signal: AbortSignal | undefined
  #next: bigint
  #done = false
  #wake: (() => void) | undefined

  constructor(source: FollowSource, from: bigint, options: AbortOptions = {}) {
    this.#source = source
    this.#next = from
    this.#signal = options.signal
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      while (!this.#done) {
        this.#signal?.throwIfAborted()
        const closed = this.#source.closed()
        if (closed !== undefined) throw closed
        if (this.#next < this.#source.height()) {
          const value = await this.#source.block(this.#next)
          if (value !== undefined) {
            this.#next += 1n
            return { value, done: false }
          }
        }
        await this.#change()
      }
    } catch (error) {
      this.#done = true
      throw error
    }
    return { value: undefined, done: true }
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#done = true
    this.#wake?.()
    return Promise.resolve({ value: undefined, done: true })
  }

  /** Resolves when something may have changed: a block, the end, the signal. */
  async #change(): Promise<void> {
    const signal = this.#signal
    const { promise, resolve } = signalled()
    this.#wake = resolve
    const forget = this.#source.onChange(resolve)
    signal?.addEventListener('abort', resolve, { once: true })
    await promise
    // Whatever woke it, nothing of the wait is left at the others.
    signal?.removeEventListener('abort', resolve)
    forget()
    this.#wake = undefined
  }
}

/** A promise, and how to resolve it. */
function signalled(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((settle) => {
    resolve = () => settle()
  })
  return { promise, resolve }
}
