import { RingQueue } from '@heddle/events'
import type { MessageStream } from '../types.ts'

/** The bounds of a {@link MessageQueue}. */
export interface MessageQueueLimits<T> {
  readonly capacity: number
  /** Of all items together; one always fits. */
  readonly maxBytes: number
  readonly bytesOf: (item: T) => number
}

/**
 * A bounded queue that one consumer reads as an async iterator. What was queued before the end is
 * still read after it; `return()` throws it away.
 */
export class MessageQueue<T> implements MessageStream<T> {
  readonly #items: RingQueue<T>
  readonly #limits: MessageQueueLimits<T>
  readonly #onReturn: () => void
  #next: ((result: IteratorResult<T, undefined>) => void) | undefined
  #room: PromiseWithResolvers | undefined
  #bytes = 0
  #ended = false

  /** @param onReturn - called once, when it ends for whatever reason */
  constructor(limits: MessageQueueLimits<T>, onReturn: () => void) {
    this.#items = new RingQueue(limits.capacity)
    this.#limits = limits
    this.#onReturn = onReturn
  }

  /** Appends `item`. False when there is no room. True, and nothing happens, after the end. */
  offer(item: T): boolean {
    if (this.#ended) return true
    if (this.#next === undefined) return this.#keep(item)
    const next = this.#next
    this.#next = undefined
    next({ done: false, value: item })
    return true
  }

  /** As `offer`, but the oldest item gives way. @returns whether one did */
  replace(item: T): boolean {
    if (this.offer(item)) return false
    this.#take()
    this.#keep(item)
    return true
  }

  /** Resolves when something was read since, or the queue has ended. */
  room(): Promise<void> {
    this.#room ??= withResolvers()
    return this.#room.promise
  }

  /** No more items. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#next?.({ done: true, value: undefined })
    this.#next = undefined
    this.#signalRoom()
    this.#onReturn()
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items.size > 0) {
      const value = this.#take() as T
      this.#signalRoom()
      return Promise.resolve({ done: false, value })
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve) => {
      this.#next = resolve
    })
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#items.clear()
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #keep(item: T): boolean {
    const bytes = this.#limits.bytesOf(item)
    if (this.#items.size > 0 && this.#bytes + bytes > this.#limits.maxBytes) return false
    if (!this.#items.push(item)) return false
    this.#bytes += bytes
    return true
  }

  #take(): T | undefined {
    const item = this.#items.shift()
    if (item !== undefined) this.#bytes -= this.#limits.bytesOf(item)
    return item
  }

  #signalRoom(): void {
    this.#room?.resolve()
    this.#room = undefined
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
