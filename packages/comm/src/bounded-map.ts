/** A map that keeps the `capacity` entries that were set last; the oldest gives way. */
export class BoundedMap<V> {
  readonly #capacity: number
  readonly #entries = new Map<string, V>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#capacity) break
      this.#entries.delete(oldest)
    }
    this.#entries.set(key, value)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  /** The keys with this value. */
  keysOf(value: V): string[] {
    return [...this.#entries].filter(([, other]) => other === value).map(([key]) => key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
