interface Lane<Item> {
  /** Undefined where they were taken: nothing keeps their bytes. */
  items: (Item | undefined)[]
  /** Where what is left begins. */
  head: number
}

/** The places of items passed by are cut off a lane once they are so many, and half of it. */
const minPassedBy = 1_024

/** What a {@link FairQueue} is like. */
export interface FairQueueOptions<Item> {
  /** Whether it makes sense to take an item; what became useless meanwhile is dropped. */
  readonly isUseful: (item: Item) => boolean
  /** Most items of one origin; the useless ones count until they are in the way. */
  readonly maxItems: number
}

/**
 * One queue for each origin, served in turn: whoever brings much waits for itself, and whoever
 * brings little is not kept waiting by it.
 */
export class FairQueue<Item extends { readonly request: Uint8Array }> {
  readonly #options: FairQueueOptions<Item>
  readonly #lanes: Lane<Item>[] = []
  readonly #byOrigin = new Map<number, Lane<Item>>()
  /** Whose turn it is: an index of `#lanes`. */
  #turn = 0
  #size = 0
  #bytes = 0

  constructor(options: FairQueueOptions<Item>) {
    this.#options = options
  }

  /** Items that wait, useful or not. */
  get size(): number {
    return this.#size
  }

  /** Bytes of their requests. */
  get bytes(): number {
    return this.#bytes
  }

  /** Items of one origin that wait, useful or not. */
  sizeOf(origin: number): number {
    const lane = this.#byOrigin.get(origin)
    return lane === undefined ? 0 : sizeOf(lane)
  }

  /** Queues an item; false, and nothing done, when `maxItems` useful ones of its origin wait. */
  push(origin: number, item: Item): boolean {
    let lane = this.#byOrigin.get(origin)
    if (lane === undefined) {
      lane = { items: [], head: 0 }
      this.#byOrigin.set(origin, lane)
      this.#lanes.push(lane)
    }
    if (sizeOf(lane) >= this.#options.maxItems) this.#sweep(lane)
    if (sizeOf(lane) >= this.#options.maxItems) return false
    lane.items.push(item)
    this.#size++
    this.#bytes += item.request.length
    return true
  }

  /** What {@link take} takes; items of no use are dropped on the way. */
  peek(): Item | undefined {
    const { isUseful } = this.#options
    for (let passed = 0; passed < this.#lanes.length; passed++) {
      const lane = this.#lanes[this.#turn]
      if (lane === undefined) break
      for (let item = lane.items[lane.head]; item !== undefined; item = lane.items[lane.head]) {
        if (isUseful(item)) return item
        this.#advance(lane, item)
      }
      this.#next()
    }
    return undefined
  }

  /** Takes what {@link peek} gave; the turn passes to the next origin. */
  take(): void {
    const lane = this.#lanes[this.#turn]
    const item = lane?.items[lane.head]
    if (lane === undefined || item === undefined) return
    this.#advance(lane, item)
    this.#next()
  }

  clear(): void {
    this.#lanes.length = 0
    this.#byOrigin.clear()
    this.#turn = 0
    this.#size = 0
    this.#bytes = 0
  }

  #next(): void {
    this.#turn = (this.#turn + 1) % this.#lanes.length
  }

  /** Drops what is useless between useful items too: it would keep its bytes. */
  #sweep(lane: Lane<Item>): void {
    const { isUseful } = this.#options
    const waiting = lane.items.slice(lane.head)
    lane.items = []
    lane.head = 0
    for (const item of waiting) {
      if (item === undefined) continue
      if (isUseful(item)) {
        lane.items.push(item)
        continue
      }
      this.#size--
      this.#bytes -= item.request.length
    }
  }

  #advance(lane: Lane<Item>, item: Item): void {
    lane.items[lane.head++] = undefined
    this.#size--
    this.#bytes -= item.request.length
    if (lane.head < minPassedBy || lane.head * 2 < lane.items.length) return
    lane.items = lane.items.slice(lane.head)
    lane.head = 0
  }
}

function sizeOf<Item>({ items, head }: Lane<Item>): number {
  return items.length - head
}
