import { textOf } from './text.ts'
import type { View } from './views.ts'

/** What {@link Reader.tag} gives from here on is no tag: it takes more than two bytes. */
export const TAG_LIMIT = 2 ** 14

/**
 * Goes through encoded bytes. What runs past the end is not noticed at once: the position is past
 * it then, where no message ends.
 */
export class Reader {
  /** Where to read next. */
  position = 0
  /** Messages around the one that is being read. */
  depth = 0
  /** The upper 32 bits of the last {@link varint}. */
  high = 0
  readonly #bytes: Uint8Array
  readonly #memory: ArrayBufferLike
  readonly #offset: number
  readonly #view: View

  constructor(bytes: Uint8Array, view: View) {
    this.#bytes = bytes
    this.#memory = bytes.buffer
    this.#offset = bytes.byteOffset
    this.#view = view
  }

  /** Past the end there is nothing but zeros. */
  #next(): number {
    return this.#bytes[this.position++] ?? 0
  }

  /** Number and wire type of a field in up to two bytes; {@link TAG_LIMIT} or more for others. */
  tag(): number {
    const first = this.#next()
    if (first < 0x80) return first
    return (first & 0x7f) | (this.#next() << 7)
  }

  /** Reads a number of up to ten bytes and returns its lower 32 bits, signed. */
  varint(): number {
    this.high = 0
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#next()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return low
    }
    const middle = this.#next()
    this.high = (middle & 0x7f) >> 4
    if (middle >= 0x80) this.#readHigh()
    return low | (middle << 28)
  }

  #readHigh(): void {
    for (let shift = 3; shift < 32; shift += 7) {
      const byte = this.#next()
      this.high |= (byte & 0x7f) << shift
      if (byte < 0x80) return
    }
    this.position = this.#bytes.length + 1
  }

  /** Reads a length and returns where what it measures stops; `undefined` when after `end`. */
  stop(end: number): number | undefined {
    const length = this.varint() >>> 0
    const stop = this.position + length
    return stop <= end ? stop : undefined
  }

  /** A view of bytes that have their length before them. */
  bytes(end: number): Uint8Array | undefined {
    const stop = this.stop(end)
    if (stop === undefined) return undefined
    const start = this.position
    this.position = stop
    return new this.#view(this.#memory, this.#offset + start, stop - start)
  }

  /** Text that has its length before it; `undefined` also when it is not UTF-8. */
  text(end: number): string | undefined {
    const stop = this.stop(end)
    if (stop === undefined) return undefined
    const start = this.position
    this.position = stop
    return textOf(this.#bytes, start, stop)
  }
}
