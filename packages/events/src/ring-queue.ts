import { positiveInteger } from './errors.ts'

/** The largest capacity of a {@link RingQueue}. */
export const maxRingCapacity = 2 ** 24

const firstAllocation = 16

/**
 * A first-in, first-out queue with a bound.
 *
 * `push` and `shift` take constant time and allocate nothing, except that the storage doubles, up
 * to the capacity, the first times it is needed. A slot forgets its item when it is taken.
 */
export class RingQueue<T> {
  /** How many items fit. */
  readonly capacity: number
  #slots: (T | undefined)[]
  // The number of slots is a power of two; `& #mask` wraps an index.
  #mask: number
  #head = 0
  #size = 0

  /**
   * @param capacity - 1 to {@link maxRingCapacity}
   * @throws {InvalidOptionsError} EVENTS_INVALID_OPTIONS for any other capacity
   */
  constructor(capacity: number) {
    this.capacity = positiveInteger('capacity', capacity, maxRingCapacity)
    this.#slots = new Array<T | undefined>(firstAllocation).fill(undefined)
    this.#mask = firstAllocation - 1
  }

  /** How many items are in it. */
  get size(): number {
    return this.#size
  }

  /** Appends `item`. False, and nothing happens, when the queue is full. */
  push(item: T): boolean {
    if (this.#size >= this.capacity) return false
    if (this.#size > this.#mask) this.#grow()
    this.#slots[(this.#head + this.#size) & this.#mask] = item
    this.#size += 1
    return true
  }

  /** Takes the oldest item; undefined when the queue is empty (see `size` if T has undefined). */
  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const head = this.#head
    const item = this.#slots[head]
    this.#slots[head] = undefined
    this.#head = (head + 1) & this.#mask
    this.#size -= 1
    return item
  }

  /** The oldest item, left where it is; undefined when the queue is empty. */
  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#slots[this.#head]
  }

  /** Forgets all items and the storage that they needed. */
  clear(): void {
    this.#slots = new Array<T | undefined>(firstAllocation).fill(undefined)
    this.#mask = firstAllocation - 1
    this.#head = 0
    this.#size = 0
  }

  /** Doubles the storage, with the oldest item at its start. */
  #grow(): void {
    const grown = new Array<T | undefined>(this.#slots.length * 2).fill(undefined)
    for (let i = 0; i < this.#size; i += 1) {
      grown[i] = this.#slots[(this.#head + i) & this.#mask]
    }
    this.#slots = grown
    this.#mask = grown.length - 1
    this.#head = 0
  }
}
