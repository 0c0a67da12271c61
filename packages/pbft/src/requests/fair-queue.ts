import { Round } from './round.ts'
import type { Line, Sized } from './round.ts'

/** What waits in a {@link FairQueue}. */
export interface Queued extends Sized {
  /** Whose it is, if that matters. */
  readonly client?: string
}

/** What a {@link FairQueue} is like. */
export interface FairQueueOptions<Item> {
  /** Whether it makes sense to take an item; what became useless meanwhile is dropped. */
  readonly isUseful: (item: Item) => boolean
  /** Most items of one lane; the useless ones count until they are in the way. */
  readonly maxItems: number
}

interface LaneDependencies<Item> {
  readonly isUseful: (item: Item) => boolean
  /** It has left the lane. */
  readonly onGone: (item: Item) => void
}

/** Items in order of arrival. */
class Fifo<Item> implements Line<Item> {
  readonly items = new Set<Item>()
  readonly #isUseful: (item: Item) => boolean
  /** Takes it out of here, too. */
  readonly #remove: (item: Item) => void

  constructor(isUseful: (item: Item) => boolean, remove: (item: Item) => void) {
    this.#isUseful = isUseful
    this.#remove = remove
  }

  peek(): Item | undefined {
    for (const item of this.items) {
      if (this.#isUseful(item)) return item
      this.#remove(item)
    }
    return undefined
  }

  take(): Item | undefined {
    for (const item of this.items) {
      this.#remove(item)
      return item
    }
    return undefined
  }
}

/** Turns that the clients of a lane have for each one of what has waited longest there. */
export const clientTurns = 7

/**
 * The items of one lane. What is first of a client, of all clients in turn, and what has waited longest
 * have their turns, {@link clientTurns} to one: so nobody waits for all that another client brings, and
 * nothing is passed by for long, however many clients there are.
 */
class Lane<Item extends Queued> implements Line<Item> {
  readonly #deps: LaneDependencies<Item>
  readonly #all: Fifo<Item>
  readonly #clients: Round<string, Item, Fifo<Item>>
  readonly #both: Round<'all' | 'clients', Item, Line<Item>>
  #bytes = 0

  constructor(deps: LaneDependencies<Item>) {
    this.#deps = deps
    const make = (): Fifo<Item> => new Fifo(deps.isUseful, (item) => this.remove(item))
    this.#all = make()
    this.#clients = new Round(make)
    this.#both = new Round(
      (key) => (key === 'all' ? this.#all : this.#clients),
      (key) => (key === 'all' ? 1 : clientTurns),
    )
  }

  get size(): number {
    return this.#all.items.size
  }

  get bytes(): number {
    return this.#bytes
  }

  has(item: Item): boolean {
    return this.#all.items.has(item)
  }

  push(item: Item): void {
    this.#all.items.add(item)
    this.#bytes += item.request.length
    this.#clients.of(clientOf(item)).items.add(item)
    this.#both.of('all')
    this.#both.of('clients')
  }

  peek(): Item | undefined {
    return this.#both.peek()
  }

  take(): Item | undefined {
    return this.#both.take()
  }

  /** Drops what is useless between useful items too: it would keep its bytes. */
  sweep(): void {
    for (const item of this.#all.items) if (!this.#deps.isUseful(item)) this.remove(item)
  }

  remove(item: Item): void {
    if (!this.#all.items.delete(item)) return
    this.#bytes -= item.request.length
    this.#clients.find(clientOf(item))?.items.delete(item)
    this.#deps.onGone(item)
  }
}

/** Lanes, served in turn, and in each of them its clients: see {@link Round} and {@link Lane}. */
export class FairQueue<Item extends Queued, Key = number> implements Line<Item> {
  readonly #options: FairQueueOptions<Item>
  #lanes = this.#makeLanes()
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
  sizeOf(lane: Key): number {
    return this.#lanes.find(lane)?.size ?? 0
  }

  /** Bytes of their requests. */
  bytesOf(lane: Key): number {
    return this.#lanes.find(lane)?.bytes ?? 0
  }

  has(lane: Key, item: Item): boolean {
    return this.#lanes.find(lane)?.has(item) === true
  }

  /**
   * Queues an item in a lane, if it is not there; false, and nothing done, when `maxItems` useful ones
   * wait in it.
   */
  push(lane: Key, item: Item): boolean {
    const { maxItems } = this.#options
    if (this.has(lane, item)) return true
    if (this.sizeOf(lane) >= maxItems) this.#lanes.of(lane).sweep()
    if (this.sizeOf(lane) >= maxItems) return false
    this.#lanes.of(lane).push(item)
    this.#size++
    this.#bytes += item.request.length
    return true
  }

  /** Takes an item out of a lane, if it is there. */
  remove(lane: Key, item: Item): void {
    this.#lanes.find(lane)?.remove(item)
  }

  /** What {@link take} takes; items of no use are dropped on the way. */
  peek(): Item | undefined {
    return this.#lanes.peek()
  }

  /** Takes what {@link peek} gave just before. */
  take(): Item | undefined {
    return this.#lanes.take()
  }

  clear(): void {
    this.#lanes = this.#makeLanes()
    this.#size = 0
    this.#bytes = 0
  }

  #makeLanes(): Round<Key, Item, Lane<Item>> {
    const deps: LaneDependencies<Item> = {
      isUseful: (item) => this.#options.isUseful(item),
      onGone: ({ request }) => {
        this.#size--
        this.#bytes -= request.length
      },
    }
    return new Round(() => new Lane(deps))
  }
}

const clientOf = ({ client = '' }: Queued): string => client
