/** One producer, or one expiry, that found the queue full. */
export interface Waiter<T> {
  readonly item: T
  /** Called when the item goes into the queue. */
  readonly admit: () => void
  /** Called when it never will. */
  readonly reject: (error: Error) => void
}

/** Those who wait for room in a queue, in the order in which they came. */
export class WaitingProducers<T> {
  readonly maxWaiting: number
  /** How many wait. A field, because the manager looks at it for every event. */
  size = 0
  // A Set keeps the order of insertion and lets one that gave up leave in constant time.
  readonly #waiters = new Set<Waiter<T>>()

  constructor(maxWaiting: number) {
    this.maxWaiting = maxWaiting
  }

  /** Resolves when {@link next} has taken `item`; rejects with the reason of `signal`. */
  wait(item: T, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#remove(waiter)
        reject(signal?.reason as Error)
      }
      const settled = (settle: () => void): void => {
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      const waiter: Waiter<T> = {
        item,
        admit: () => settled(resolve),
        reject: (error) => settled(() => reject(error)),
      }
      this.park(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Lets one wait, whether or not `maxWaiting` do; the result makes it leave. */
  park(waiter: Waiter<T>): () => void {
    this.#add(waiter)
    return () => this.#remove(waiter)
  }

  /** Takes the item of the one who waits longest. Only when `size` is not 0. */
  next(): T {
    const [waiter] = this.#waiters as unknown as [Waiter<T>]
    this.#remove(waiter)
    waiter.admit()
    return waiter.item
  }

  rejectAll(error: Error): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    this.size = 0
    for (const waiter of waiters) waiter.reject(error)
  }

  #add(waiter: Waiter<T>): void {
    this.#waiters.add(waiter)
    this.size = this.#waiters.size
  }

  #remove(waiter: Waiter<T>): void {
    this.#waiters.delete(waiter)
    this.size = this.#waiters.size
  }
}
