const UINT32 = 0x1_0000_0000
const CONTINUE = 0x80

/** Bytes of a whole number from 0 to 2^53 - 1 as a varint. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1
  let size = 1
  for (let rest = value; rest >= 0x80; rest /= 128) size++
  return size
}

/** Bytes of an unsigned 64-bit number as a varint. */
export function varint64Size(value: bigint): number {
  const number = Number(value) // not above 2^53 - 1: exact
  if (number <= Number.MAX_SAFE_INTEGER) return varintSize(number)
  const high = Number(value >> 32n)
  if (high < 0x0100_0000) return 8
  return high < 0x8000_0000 ? 9 : 10
}

/**
 * A message is encoded in two passes over its fields, both in the same order: the first measures
 * and notes the length of everything that is preceded by its length, the second writes into a
 * buffer of exactly the size. So nothing is written twice and no memory is cleared in vain.
 */
export class Writer {
  readonly #lengths: number[] = []
  #next = 0
  #buffer: Buffer = Buffer.alloc(0)
  #position = 0

  /** First pass: keeps a place for a length that is known only after what is inside. */
  reserve(): number {
    return this.#lengths.push(0) - 1
  }

  /** First pass: notes a length in its place. */
  note(place: number, length: number): void {
    this.#lengths[place] = length
  }

  /** Between the passes. */
  allocate(size: number): void {
    this.#buffer = Buffer.allocUnsafe(size)
  }

  /** After both passes: what was written, in full. */
  finish(): Buffer {
    return this.#buffer
  }

  /** Second pass: writes the length noted next, and returns it. */
  length(): number {
    const length = this.#lengths[this.#next++] ?? 0
    this.varint(length)
    return length
  }

  /** Second pass: a whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    let rest = value
    for (; rest >= UINT32; rest = Math.floor(rest / 128)) {
      this.#buffer[this.#position++] = (rest % 128) | CONTINUE
    }
    for (; rest >= 0x80; rest >>>= 7) this.#buffer[this.#position++] = (rest & 0x7f) | CONTINUE
    this.#buffer[this.#position++] = rest
  }

  /** Second pass: an unsigned 64-bit number. */
  varint64(value: bigint): void {
    const number = Number(value)
    if (number <= Number.MAX_SAFE_INTEGER) {
      this.varint(number)
      return
    }
    let low = Number(value & 0xffff_ffffn)
    for (let i = 0; i < 4; i++, low >>>= 7) {
      this.#buffer[this.#position++] = (low & 0x7f) | CONTINUE
    }
    this.varint(Number(value >> 32n) * 16 + low)
  }

  /** Second pass: bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#position)
    this.#position += bytes.length
  }

  /** Second pass: text that takes `length` bytes. */
  text(value: string, length: number): void {
    const encoding = value.length === length ? 'latin1' : 'utf8'
    this.#position += this.#buffer.write(value, this.#position, length, encoding)
  }
}
