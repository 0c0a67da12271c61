import { positiveInteger } from './errors.ts'

/** The largest capacity of a {@link BoundedMap}. */
export const maxMapCapacity = 2 ** 31 - 1

/** A map that keeps the entries that were set last, so many of them; the one set longest ago gives way. */
export class BoundedMap<V> {
  readonly #capacity: number
  readonly #entries = new Map<string, V>()

  /**
   * @param capacity - 1 to {@link maxMapCapacity}
   * @throws {InvalidOptionsError} EVENTS_INVALID_OPTIONS for any other capacity
   */
  constructor(capacity: number) {
    this.#capacity = positiveInteger('capacity', capacity, maxMapCapacity)
  }

  /** The value of `key`; undefined when it was not set, or gave way. */
  get(key: string): V | undefined {
    return this.#entries.get(key)
  }

  /** Whether there is a value of `key`. */
  has(key: string): boolean {
    return this.#entries.has(key)
  }

  /** Sets the value of `key`, as the one that was set last. */
  set(key: string, value: V): void {
    this.#entries.delete(key)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#capacity) break
      this.#entries.delete(oldest)
    }
    this.#entries.set(key, value)
  }

  /** Forgets `key`; harmless when it is not there. */
  delete(key: string): void {
    this.#entries.delete(key)
  }

  /** The keys with this value. */
  keysOf(value: V): string[] {
    return [...this.#entries].filter(([, other]) => other === value).map(([key]) => key)
  }

  /** Forgets all keys. */
  clear(): void {
    this.#entries.clear()
  }
}
