/** What verifying a message gave: undefined when it is of no use. */
export type Verified<T> = T | undefined | Promise<T | undefined>

interface Item<T> {
  readonly bytes: number
  readonly verify: () => Verified<T>
  result: { readonly value: T | undefined } | undefined
}

export interface OrderedLaneOptions<T> {
  /** Most items, and bytes, that wait or are being verified; one alone may have more bytes. */
  readonly maxItems: number
  readonly maxBytes: number
  /** Most items that are being verified at the same time. */
  readonly maxVerifying: number
  /** Takes what was verified, in the order in which it came. */
  readonly deliver: (value: T) => void
}

/**
 * Messages of one replica that have to be verified first: some at the same time, delivered in the
 * order in which they came. What cannot be verified leaves no gap. Whoever sends much waits for
 * itself: what verifies for all replicas never has more than `maxVerifying` of one before another's.
 */
export class OrderedLane<T> {
  readonly #options: OrderedLaneOptions<T>
  readonly #items: Item<T>[] = []
  /** Of `#items`, from the first on: those whose verification was started. */
  #started = 0
  /** Of those: without a result. */
  #verifying = 0
  #bytes = 0

  constructor(options: OrderedLaneOptions<T>) {
    this.#options = options
  }

  /**
   * Takes a message; false, and nothing done, when there is no room.
   *
   * @param verify - called when its turn has come; must not throw or reject
   */
  push(bytes: number, verify: () => Verified<T>): boolean {
    const { maxItems, maxBytes } = this.#options
    const { length } = this.#items
    if (length >= maxItems || (length > 0 && this.#bytes + bytes > maxBytes)) return false
    this.#items.push({ bytes, verify, result: undefined })
    this.#bytes += bytes
    this.#start()
    return true
  }

  #start(): void {
    while (this.#verifying < this.#options.maxVerifying) {
      const item = this.#items[this.#started]
      if (item === undefined) return
      this.#started++
      this.#verifying++
      const value = item.verify()
      if (!(value instanceof Promise)) this.#settle(item, value)
      else
        void value.then((settled) => {
          this.#settle(item, settled)
          this.#start()
        })
    }
  }

  #settle(item: Item<T>, value: T | undefined): void {
    this.#verifying--
    item.result = { value }
    for (let head = this.#items[0]; head?.result !== undefined; head = this.#items[0]) {
      this.#items.shift()
      this.#started--
      this.#bytes -= head.bytes
      if (head.result.value !== undefined) this.#options.deliver(head.result.value)
    }
  }
}
