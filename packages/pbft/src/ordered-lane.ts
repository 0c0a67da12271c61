/** What verifying a message gave: undefined when it is of no use. */
export type Verified<T> = T | undefined | Promise<T | undefined>

interface Item<T> {
  readonly bytes: number
  result: { readonly value: T | undefined } | undefined
}

export interface OrderedLaneOptions<T> {
  /** Most items, and bytes, under verification. */
  readonly maxItems: number
  readonly maxBytes: number
  /** Takes what was verified, in the order in which it came. */
  readonly deliver: (value: T) => void
}

/**
 * Messages of one replica that have to be verified first: all at the same time, delivered in the
 * order in which they came. What cannot be verified leaves no gap.
 */
export class OrderedLane<T> {
  readonly #options: OrderedLaneOptions<T>
  readonly #items: Item<T>[] = []
  #bytes = 0

  constructor(options: OrderedLaneOptions<T>) {
    this.#options = options
  }

  /** Starts `verify`, which must not throw or reject; false, and nothing done, when there is no room. */
  push(bytes: number, verify: () => Verified<T>): boolean {
    const { maxItems, maxBytes } = this.#options
    if (this.#items.length >= maxItems || this.#bytes + bytes > maxBytes) return false
    const item: Item<T> = { bytes, result: undefined }
    this.#items.push(item)
    this.#bytes += bytes
    const value = verify()
    if (value instanceof Promise) void value.then((settled) => this.#settle(item, settled))
    else this.#settle(item, value)
    return true
  }

  #settle(item: Item<T>, value: T | undefined): void {
    item.result = { value }
    for (let head = this.#items[0]; head?.result !== undefined; head = this.#items[0]) {
      this.#items.shift()
      this.#bytes -= head.bytes
      if (head.result.value !== undefined) this.#options.deliver(head.result.value)
    }
  }
}
