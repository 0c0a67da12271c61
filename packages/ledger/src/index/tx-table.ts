import type { TxLocation } from '../ports.ts'
import { isSameKey } from './tx-entries.ts'
import type { HashedEntry } from './tx-entries.ts'
import type { KeyHash } from './tx-hash.ts'

/**
 * Transactions by their packed ids, in memory, in the order in which they came. Columns, no objects:
 * one for each id would be what most time goes into.
 */
export class TxTable {
  /** The number of an entry, from 1 on, or 0; in the slot where its hash belongs, or behind it. */
  readonly #slots: Uint32Array
  readonly #firsts: Uint32Array
  readonly #seconds: Uint32Array
  readonly #blocks: Float64Array
  readonly #indexes: Uint32Array
  /** Where each key begins in the bytes of its block. */
  readonly #keys: Uint32Array
  /** The packed ids of each block, by its number. */
  readonly #bytes = new Map<number, Buffer>()
  #size = 0

  /** @param capacity - a power of two */
  constructor(capacity: number) {
    this.#slots = new Uint32Array(2 * capacity)
    this.#firsts = new Uint32Array(capacity)
    this.#seconds = new Uint32Array(capacity)
    this.#blocks = new Float64Array(capacity)
    this.#indexes = new Uint32Array(capacity)
    this.#keys = new Uint32Array(capacity)
  }

  /** Entries. */
  get size(): number {
    return this.#size
  }

  /** Adds an entry; not when it is full, and not a key that is there. */
  add(entry: HashedEntry & KeyHash): void {
    const { block, index, bytes, key, first, second } = entry
    const at = this.#size
    if (at === 0 || this.#blocks[at - 1] !== block) this.#bytes.set(block, bytes)
    this.#slots[this.#slotOf(bytes, key, entry)] = at + 1
    this.#firsts[at] = first
    this.#seconds[at] = second
    this.#blocks[at] = block
    this.#indexes[at] = index
    this.#keys[at] = key
    this.#size = at + 1
  }

  /** The place of the transaction whose key is in `bytes` at an offset. */
  find(bytes: Buffer, key: number, hash: KeyHash): TxLocation | undefined {
    const number = this.#slots[this.#slotOf(bytes, key, hash)] ?? 0
    if (number === 0) return undefined
    const { block, index } = this.entry(number - 1)
    return { block: BigInt(block), index }
  }

  /** The entry that came at this place, from 0 on. */
  entry(at: number): HashedEntry & KeyHash {
    const block = this.#blocks[at] ?? 0
    return {
      block,
      index: this.#indexes[at] ?? 0,
      bytes: this.#bytes.get(block) ?? none,
      key: this.#keys[at] ?? 0,
      first: this.#firsts[at] ?? 0,
      second: this.#seconds[at] ?? 0,
    }
  }

  /** The slot of the entry with this key, or the empty one where it belongs. */
  #slotOf(bytes: Buffer, key: number, hash: KeyHash): number {
    const mask = this.#slots.length - 1
    let slot = hash.first & mask
    for (let number = this.#slots[slot]; number; number = this.#slots[slot]) {
      if (this.#isAt(number - 1, bytes, key, hash)) return slot
      slot = (slot + 1) & mask
    }
    return slot
  }

  #isAt(at: number, bytes: Buffer, key: number, { first, second }: KeyHash): boolean {
    if (this.#firsts[at] !== first || this.#seconds[at] !== second) return false
    const known = this.entry(at)
    return isSameKey(bytes, key, known.bytes, known.key)
  }
}

const none = Buffer.alloc(0)
