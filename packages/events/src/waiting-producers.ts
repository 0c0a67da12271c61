/** One producer, or one expiry, that found the queue full. */
interface Waiter<T> {
  readonly item: T
  /** Tells the producer that its item is in the queue. */
  readonly admit: () => void
  readonly reject: (error: Error) => void
}

/** Those who wait for room in a queue, in the order in which they came. */
export class WaitingProducers<T> {
  readonly maxWaiting: number
  // A Set keeps the order of insertion and lets one that gave up leave in constant time.
  readonly #waiters = new Set<Waiter<T>>()

  constructor(maxWaiting: number) {
    this.maxWaiting = maxWaiting
  }

  get size(): number {
    return this.#waiters.size
  }

  /** Resolves when {@link next} has taken `item`; rejects with the reason of `signal`. */
  wait(item: T, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter)
        reject(signal?.reason as Error)
      }
      const waiter = {
        item,
        admit: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
        reject: (error: Error) => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Lets `item` wait, of which nobody hears; the result makes it leave. */
  park(item: T, admit: () => void): () => void {
    const waiter = { item, admit, reject: () => undefined }
    this.#waiters.add(waiter)
    return () => this.#waiters.delete(waiter)
  }

  /** Takes the item of the one who waits longest. Only when `size` is not 0. */
  next(): T {
    const [waiter] = this.#waiters as unknown as [Waiter<T>]
    this.#waiters.delete(waiter)
    waiter.admit()
    return waiter.item
  }

  rejectAll(error: Error): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) waiter.reject(error)
  }
}
