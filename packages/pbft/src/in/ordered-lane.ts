/** What verifying a message gave: undefined when it is of no use. */
export type Verified<T> = T | undefined | Promise<T | undefined>

/** A statement may change what is of use of the content that comes after it, and content nothing. */
export type LaneKind = 'statement' | 'content'

interface Item<T> {
  readonly kind: LaneKind
  readonly bytes: number
  readonly verify: () => Verified<T>
  result: { readonly value: T | undefined } | undefined
}

export interface OrderedLaneOptions {
  /** Most items, and bytes, that wait or are being verified; one alone may have more bytes. */
  readonly maxItems: number
  readonly maxBytes: number
  /** Most items that are being verified at the same time. */
  readonly maxVerifying: number
  /** What took time to verify is verified: {@link OrderedLane.advance} is to be called. */
  readonly onVerified: () => void
}

/**
 * Messages of one replica that have to be verified first: some at the same time, delivered in the
 * order in which they came. What cannot be verified leaves no gap. Whoever sends much waits for
 * itself: what verifies for all replicas never has more than `maxVerifying` of one before another's.
 *
 * Nothing happens but in {@link OrderedLane.open} and {@link OrderedLane.advance}. What is delivered
 * there is taken at once, so that the next one is looked at by somebody who knows of it.
 */
export class OrderedLane<T> {
  readonly #options: OrderedLaneOptions
  readonly #items: Item<T>[] = []
  /** Of `#items`, from the first on: those whose verification was started. */
  #started = 0
  /** Of those that were not: how many may be. */
  #due = 0
  /** Of those that were: without a result. */
  #verifying = 0
  /** Statements that were started, and are neither delivered nor found to be of no use. */
  #statements = 0
  #bytes = 0

  constructor(options: OrderedLaneOptions) {
    this.#options = options
  }

  /**
   * Takes a message, which waits for an {@link OrderedLane.open}; false, and nothing done, when there is
   * no room.
   *
   * @param kind - content is looked at when all statements before it were delivered
   * @param verify - called when its turn has come; must not throw or reject
   */
  push(kind: LaneKind, bytes: number, verify: () => Verified<T>): boolean {
    const { maxItems, maxBytes } = this.#options
    const { length } = this.#items
    if (length >= maxItems || (length > 0 && this.#bytes + bytes > maxBytes)) return false
    this.#items.push({ kind, bytes, verify, result: undefined })
    this.#bytes += bytes
    return true
  }

  /** One message more may be looked at, in the order in which they came. */
  open(deliver: (value: T) => void): void {
    this.#due++
    this.advance(deliver)
  }

  /** Delivers what is verified, and has the next ones verified. */
  advance(deliver: (value: T) => void): void {
    do this.#deliver(deliver)
    while (this.#startNext())
  }

  #deliver(deliver: (value: T) => void): void {
    for (let head = this.#items[0]; head?.result !== undefined; head = this.#items[0]) {
      this.#items.shift()
      this.#started--
      this.#bytes -= head.bytes
      if (head.kind === 'statement') this.#statements--
      if (head.result.value !== undefined) deliver(head.result.value)
    }
  }

  /** Whether there was one that may be verified now. */
  #startNext(): boolean {
    if (this.#due === 0 || this.#verifying >= this.#options.maxVerifying) return false
    const item = this.#items[this.#started]
    if (item === undefined || (item.kind === 'content' && this.#statements > 0)) return false
    this.#started++
    this.#due--
    if (item.kind === 'statement') this.#statements++
    const value = item.verify()
    if (value instanceof Promise) {
      this.#verifying++
      void value.then((settled) => {
        this.#verifying--
        item.result = { value: settled }
        this.#options.onVerified()
      })
    } else item.result = { value }
    return true
  }
}
