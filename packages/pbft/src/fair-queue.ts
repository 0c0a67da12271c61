/** What one turn is good for: a usual request. One that is longer needs several. */
export const turnBytes = 4 * 1024

interface Lane<Item> {
  /** Undefined where they were taken: nothing keeps their bytes. */
  items: (Item | undefined)[]
  /** Where what is left begins. */
  head: number
  /** Turns not used yet, while something waits. */
  turns: number
}

/** The places of items passed by are cut off a lane once they are so many, and half of it. */
const minPassedBy = 1_024

/** What a {@link FairQueue} is like. */
export interface FairQueueOptions<Item> {
  /** Whether it makes sense to take an item; what became useless meanwhile is dropped. */
  readonly isUseful: (item: Item) => boolean
  /** Most items of one lane; the useless ones count until they are in the way. */
  readonly maxItems: number
}

/**
 * Lanes, served in turn: whoever brings much waits for itself, and whoever brings little is not kept
 * waiting by it. Nobody gains by long items, either: one takes as many turns as it has
 * {@link turnBytes}, or a part of that, and waits until its lane had so many.
 *
 * @see Shreedhar, Varghese: "Efficient fair queuing using deficit round-robin", SIGCOMM 1995
 */
export class FairQueue<Item extends { readonly request: Uint8Array }> {
  readonly #options: FairQueueOptions<Item>
  readonly #lanes: Lane<Item>[] = []
  readonly #byNumber = new Map<number, Lane<Item>>()
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

  /** Items of one lane that wait, useful or not. */
  sizeOf(number: number): number {
    const lane = this.#byNumber.get(number)
    return lane === undefined ? 0 : sizeOf(lane)
  }

  /** Queues an item in a lane; false, and nothing done, when `maxItems` useful ones wait there. */
  push(number: number, item: Item): boolean {
    let lane = this.#byNumber.get(number)
    if (lane === undefined) {
      // The first turn is that of the first one.
      lane = { items: [], head: 0, turns: this.#lanes.length === 0 ? 1 : 0 }
      this.#byNumber.set(number, lane)
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
    for (let empty = 0; empty < this.#lanes.length;) {
      const lane = this.#lanes[this.#turn]
      if (lane === undefined) break
      const item = this.#first(lane)
      if (item === undefined) {
        empty++
        // Nobody saves up for later.
        lane.turns = 0
      } else if (lane.turns >= turnsOf(item)) {
        return item
      } else {
        empty = 0
      }
      this.#next()
    }
    return undefined
  }

  /** Takes what {@link peek} gave. */
  take(): void {
    const lane = this.#lanes[this.#turn]
    const item = lane?.items[lane.head]
    if (lane === undefined || item === undefined) return
    lane.turns -= turnsOf(item)
    this.#advance(lane, item)
  }

  clear(): void {
    this.#lanes.length = 0
    this.#byNumber.clear()
    this.#turn = 0
    this.#size = 0
    this.#bytes = 0
  }

  #next(): void {
    this.#turn = (this.#turn + 1) % this.#lanes.length
    const lane = this.#lanes[this.#turn]
    if (lane !== undefined) lane.turns++
  }

  /** What is first in a lane once the useless items in front of it are dropped. */
  #first(lane: Lane<Item>): Item | undefined {
    const { isUseful } = this.#options
    for (let item = lane.items[lane.head]; item !== undefined; item = lane.items[lane.head]) {
      if (isUseful(item)) return item
      this.#advance(lane, item)
    }
    return undefined
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

function turnsOf({ request }: { readonly request: Uint8Array }): number {
  return Math.max(Math.ceil(request.length / turnBytes), 1)
}
