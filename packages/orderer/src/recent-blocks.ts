import type { ArchivedBlock } from './ports.ts'

/**
 * Blocks that were completed here last, those with the highest numbers: without their transactions, so
 * that each takes a few hundred bytes for each signature.
 */
export class RecentBlocks {
  readonly #most: number
  readonly #byNumber = new Map<bigint, ArchivedBlock>()

  /** @param most - how many are kept, 1 or more */
  constructor(most: number) {
    this.#most = most
  }

  get(number: bigint): ArchivedBlock | undefined {
    return this.#byNumber.get(number)
  }

  /** Keeps a block; that with the lowest number gives way. */
  add(block: ArchivedBlock): void {
    this.#byNumber.set(block.header.number, block)
    if (this.#byNumber.size <= this.#most) return
    let lowest = block.header.number
    for (const number of this.#byNumber.keys()) if (number < lowest) lowest = number
    this.#byNumber.delete(lowest)
  }
}
