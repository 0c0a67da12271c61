import type { ClaimedSignature } from './signature-message.ts'

/**
 * Signatures that arrived before their block was executed here.
 *
 * Holds one signature of each consenter for each of the next `size` blocks; what lies beyond is
 * refused, because its sender sends it again.
 */
export class SignatureWindow {
  readonly #size: bigint
  readonly #byNumber = new Map<bigint, Map<number, ClaimedSignature>>()
  #next: bigint

  /**
   * @param next - number of the first block of the window
   * @param size - how many blocks it spans, 1 or more
   */
  constructor(next: bigint, size: number) {
    this.#next = next
    this.#size = BigInt(size)
  }

  /** The first block of the window. */
  get next(): bigint {
    return this.#next
  }

  /** How many blocks have signatures waiting. */
  get blocks(): number {
    return this.#byNumber.size
  }

  /** Keeps `signature` for block `number`; false when that is outside of the window. */
  add(number: bigint, signature: ClaimedSignature): boolean {
    if (number < this.#next || number >= this.#next + this.#size) return false
    const signatures = this.#byNumber.get(number) ?? new Map<number, ClaimedSignature>()
    signatures.set(signature.id, signature)
    this.#byNumber.set(number, signatures)
    return true
  }

  /** Hands over what waits for block `number` and moves the window behind it. */
  take(number: bigint): readonly ClaimedSignature[] {
    const found = this.#byNumber.get(number)
    if (number >= this.#next) {
      this.#next = number + 1n
      for (const held of this.#byNumber.keys()) {
        if (held < this.#next) this.#byNumber.delete(held)
      }
    }
    return found === undefined ? [] : [...found.values()]
  }
}
