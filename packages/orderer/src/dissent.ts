/**
 * Which consenters signed something else than the blocks that are complete here: for each the lowest
 * number of such a block, until it signs that block, or a later one, as the others did.
 */
export class Dissent {
  readonly #since = new Map<number, bigint>()

  /** By consenter, in order. */
  get since(): ReadonlyMap<number, bigint> {
    return new Map([...this.#since].sort(([a], [b]) => a - b))
  }

  has(id: number): boolean {
    return this.#since.has(id)
  }

  /** Consenter `id` signed block `number` as it is here, or not. */
  judge(id: number, number: bigint, isSame: boolean): void {
    const since = this.#since.get(id)
    if (!isSame) this.#since.set(id, since === undefined || number < since ? number : since)
    else if (since !== undefined && number >= since) this.#since.delete(id)
  }
}
