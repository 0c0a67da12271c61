import type { AbortOptions } from '@heddle/interface'
import { BusyError, CancelledError, TimedOutError } from './errors.ts'

/** What happens to an item that meets a full buffer: it goes, or the oldest one in there does. */
export type OverflowPolicy = 'drop-newest' | 'drop-oldest'

/**
 * One subscriber of one topic: a bounded buffer with one consumer, in the order of publication.
 *
 * It expires `ttlMs` after `subscribe`: nothing new comes then, but what is in the buffer can still
 * be read. `for await` reads until that is done, and cancels when the loop is left early.
 */
export interface Subscription<T> extends AsyncIterable<T> {
  readonly topic: string
  /** Items in the buffer. */
  readonly size: number
  /** Items that a full buffer has cost this subscriber so far. */
  readonly dropped: number
  /**
   * The next item. Waits for one as long as the subscription lives.
   *
   * @throws {TimedOutError} PUBSUB_TIMED_OUT when it has expired, or expires, with nothing to read
   * @throws {CancelledError} PUBSUB_CANCELLED after, or while waiting, `cancel`
   * @throws {BusyError} PUBSUB_BUSY while another `listen` waits
   * @throws the signal's reason when it aborts the wait; no item is lost by that
   */
  listen(options?: AbortOptions): Promise<T>
  /** Ends the subscription and forgets its buffer. Harmless twice, and after it expired. */
  cancel(): void
}

/** How a subscription is made; for the broker. */
export interface SubscriptionSettings {
  readonly topic: string
  readonly capacity: number
  readonly overflow: OverflowPolicy
  /** Called by `cancel`, each time. */
  readonly onCancel: () => void
}

/** The `listen` that waits. */
interface Listener<T> {
  readonly resolve: (item: T) => void
  readonly reject: (error: Error) => void
}

/** The broker's view of a subscription: it can also be offered an item, and expire. */
export class BufferedSubscription<T> implements Subscription<T> {
  readonly #settings: SubscriptionSettings
  // At most `capacity` items, 50 by default: `Array.shift` is as good as a ring at this size.
  #items: T[] = []
  #listener: Listener<T> | undefined
  #state: 'open' | 'expired' | 'cancelled' = 'open'
  dropped = 0

  constructor(settings: SubscriptionSettings) {
    this.#settings = settings
  }

  get topic(): string {
    return this.#settings.topic
  }

  get size(): number {
    return this.#items.length
  }

  listen(options?: AbortOptions): Promise<T> {
    const signal = options?.signal
    if (signal?.aborted) return Promise.reject(signal.reason as Error)
    if (this.#state === 'cancelled') return Promise.reject(new CancelledError(this.topic))
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift() as T)
    if (this.#state === 'expired') return Promise.reject(new TimedOutError(this.topic))
    if (this.#listener !== undefined) return Promise.reject(new BusyError(this.topic))
    return this.#wait(signal)
  }

  cancel(): void {
    this.#state = 'cancelled'
    this.#items = []
    this.#settings.onCancel()
    this.#listener?.reject(new CancelledError(this.topic))
  }

  // Not a generator: its `return` would wait for the `listen` that it has to end.
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    const end = { done: true, value: undefined } as const
    return {
      next: async () => {
        try {
          return { done: false, value: await this.listen() }
        } catch (error) {
          // For a loop, expiry and `cancel` are the end and not a failure.
          if (error instanceof TimedOutError || error instanceof CancelledError) return end
          throw error
        }
      },
      return: () => {
        this.cancel()
        return Promise.resolve(end)
      },
    }
  }

  /** Hands `item` to the consumer or the buffer. False when an item had to be dropped for it. */
  offer(item: T): boolean {
    if (this.#listener !== undefined) {
      this.#listener.resolve(item)
      return true
    }
    const isFull = this.#items.length >= this.#settings.capacity
    if (isFull) {
      this.dropped += 1
      if (this.#settings.overflow === 'drop-newest') return false
      this.#items.shift()
    }
    this.#items.push(item)
    return !isFull
  }

  /** Nothing new comes from now on. Never after `cancel`, which stops the timer. */
  expire(): void {
    this.#state = 'expired'
    this.#listener?.reject(new TimedOutError(this.topic))
  }

  /** Becomes the one listener, until an item, the end or the signal comes. */
  #wait(signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#listener = undefined
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        done()
        reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#listener = {
        resolve: (item) => {
          done()
          resolve(item)
        },
        reject: (error) => {
          done()
          reject(error)
        },
      }
    })
  }
}
