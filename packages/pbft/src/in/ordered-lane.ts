/** What verifying a message gave: undefined when it is of no use. */
export type Verified<T> = T | undefined | Promise<T | undefined>

interface Item<T> {
  readonly bytes: number
  readonly verify: () => Verified<T>
  readonly isBarrier: boolean
  result: { readonly value: T | undefined } | undefined
}

export interface OrderedLaneOptions<T> {
  /** Most items, and bytes, that wait or are being verified; one alone may have more bytes. */
  readonly maxItems: number
  readonly maxBytes: number
  /** Most items that are being verified, or delivered and not yet taken. */
  readonly maxOpen: number
  /** Gets what was verified, in the order in which it came; calls `taken`, now or later, when it is taken. */
  readonly deliver: (value: T, taken: () => void) => void
}

/**
 * Messages of one replica that have to be verified first: some at the same time, delivered in the
 * order in which they came. What cannot be verified leaves no gap. Whoever sends much waits for
 * itself: what verifies for all replicas never has more than `maxOpen` of one before another's.
 */
export class OrderedLane<T> {
  readonly #options: OrderedLaneOptions<T>
  readonly #items: Item<T>[] = []
  /** Of `#items`, from the first on: those whose verification was started. */
  #started = 0
  /** Being verified, or delivered and not yet taken. */
  #open = 0
  /** Whether a barrier was started, and is neither taken nor found to be of no use. */
  #isBarred = false
  #isStarting = false
  #bytes = 0

  constructor(options: OrderedLaneOptions<T>) {
    this.#options = options
  }

  /**
   * Takes a message; false, and nothing done, when there is no room.
   *
   * @param verify - called when its turn has come; must not throw or reject
   * @param isBarrier - whether verifying what comes after this has to wait until this is taken
   */
  push(bytes: number, verify: () => Verified<T>, isBarrier = false): boolean {
    const { maxItems, maxBytes } = this.#options
    const { length } = this.#items
    if (length >= maxItems || (length > 0 && this.#bytes + bytes > maxBytes)) return false
    this.#items.push({ bytes, verify, isBarrier, result: undefined })
    this.#bytes += bytes
    this.#start()
    return true
  }

  #start(): void {
    if (this.#isStarting) return // called by what is taken at once: the loop below goes on
    this.#isStarting = true
    while (this.#open < this.#options.maxOpen && !this.#isBarred) {
      const item = this.#items[this.#started]
      if (item === undefined) break
      this.#started++
      this.#open++
      this.#isBarred = item.isBarrier
      const value = item.verify()
      if (value instanceof Promise) void value.then((settled) => this.#settle(item, settled))
      else this.#settle(item, value)
    }
    this.#isStarting = false
  }

  #settle(item: Item<T>, value: T | undefined): void {
    this.#open--
    item.result = { value }
    for (let head = this.#items[0]; head?.result !== undefined; head = this.#items[0]) {
      this.#items.shift()
      this.#started--
      this.#bytes -= head.bytes
      this.#deliver(head, head.result.value)
    }
    this.#start()
  }

  #deliver({ isBarrier }: Item<T>, value: T | undefined): void {
    this.#open++
    const taken = (): void => {
      this.#open--
      if (isBarrier) this.#isBarred = false
      this.#start()
    }
    if (value === undefined) taken()
    else this.#options.deliver(value, taken)
  }
}
