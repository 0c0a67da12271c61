/** Something with a time of expiry, on the wall clock; undefined: never. */
interface Expiring {
  readonly expiresAt: number | undefined
}

/**
 * Whose time comes first: a binary heap that can also remove from its middle, so that it never holds
 * more than there are. Adding and removing take logarithmic time.
 */
export class ExpiryQueue<T extends Expiring> {
  readonly #heap: T[] = []
  readonly #places = new Map<T, number>()

  /** How many there are. */
  get size(): number {
    return this.#heap.length
  }

  /** The one that expires first. */
  get first(): T | undefined {
    return this.#heap[0]
  }

  /** Adds `item`, unless it never expires. */
  add(item: T): void {
    if (item.expiresAt === undefined) return
    this.#put(item, this.#heap.length)
    this.#rise(this.#heap.length - 1)
  }

  /** Removes `item`; harmless when it is not there. */
  remove(item: T): void {
    const place = this.#places.get(item)
    if (place === undefined) return
    this.#places.delete(item)
    const last = this.#heap.pop() as T
    if (last === item) return
    this.#put(last, place)
    this.#rise(place)
    this.#sink(place)
  }

  #rise(from: number): void {
    for (let place = from; place > 0;) {
      const above = (place - 1) >> 1
      if (this.#timeAt(above) <= this.#timeAt(place)) return
      this.#swap(place, above)
      place = above
    }
  }

  #sink(from: number): void {
    for (let place = from; ;) {
      const left = 2 * place + 1
      const least = this.#timeAt(left + 1) < this.#timeAt(left) ? left + 1 : left
      if (this.#timeAt(place) <= this.#timeAt(least)) return
      this.#swap(place, least)
      place = least
    }
  }

  #timeAt(place: number): number {
    return this.#heap[place]?.expiresAt ?? Infinity
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one] as T, this.#heap[other] as T]
    this.#put(a, other)
    this.#put(b, one)
  }

  #put(item: T, place: number): void {
    this.#heap[place] = item
    this.#places.set(item, place)
  }
}
