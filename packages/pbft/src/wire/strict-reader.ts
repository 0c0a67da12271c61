import { MalformedError } from '../errors.ts'

const maxUint64 = (1n << 64n) - 1n

/**
 * Reads a protobuf message that must be encoded exactly as a correct replica encodes it: fields in
 * ascending order, each once unless asked for again, shortest numbers, no default values, nothing
 * unknown. So equal content means equal bytes, and nothing can hide in them.
 *
 * @throws {MalformedError} PBFT_MALFORMED, from every method
 */
export class StrictReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** The number with this tag; 0 when it is left out. */
  number(tag: number): bigint {
    if (this.#bytes[this.#at] !== tag) return 0n
    this.#at++
    const value = this.#varint()
    if (value === 0n) throw new MalformedError('a default value')
    return value
  }

  /** A view of the bytes with this tag; undefined when they are left out. */
  chunk(tag: number): Buffer | undefined {
    if (this.#bytes[this.#at] !== tag) return undefined
    this.#at++
    const length = Number(this.#varint())
    const start = this.#at
    if (length > this.#bytes.length - start) throw new MalformedError('a field that ends early')
    this.#at += length
    return this.#bytes.subarray(start, this.#at)
  }

  /** Nothing may be left. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new MalformedError('more than the known fields')
  }

  #varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value |= BigInt(byte & 0x7f) << shift
      if (byte >= 0x80) continue
      if ((byte === 0 && shift > 0n) || value > maxUint64) break
      return value
    }
    throw new MalformedError('a bad number')
  }
}
