import { MspError } from './errors.ts'

/** ASN.1 tags that certificates, CRLs and signatures use. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** One element: its tag, its content, and all of its bytes. Views of the buffer it was read from. */
export interface DerNode {
  readonly tag: number
  readonly content: Buffer
  readonly bytes: Buffer
}

function malformed(detail: string): MspError {
  return new MspError('MSP_MALFORMED_IDENTITY', `malformed DER: ${detail}`)
}

/**
 * Reads elements one after the other from the content of a DER element.
 *
 * Strict as X.690 §10 wants it: definite lengths in the fewest bytes, single-byte tags, nothing
 * beyond the end. Everything wrong throws `MSP_MALFORMED_IDENTITY`.
 */
export class DerReader {
  readonly #bytes: Buffer
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length
  }

  /** The tag of the next element, or undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#offset]
  }

  /** The next element, which must have `tag` if one is given. */
  next(tag?: number): DerNode {
    const start = this.#offset
    const found = this.#byte()
    if ((found & 0x1f) === 0x1f) throw malformed('tag of several bytes')
    if (tag !== undefined && found !== tag) {
      throw malformed(`expected tag ${tag.toString(16)}, found ${found.toString(16)}`)
    }
    const length = this.#length()
    const begin = this.#offset
    if (length > this.#bytes.length - begin) throw malformed('element runs beyond the end')
    this.#offset = begin + length
    return {
      tag: found,
      content: this.#bytes.subarray(begin, this.#offset),
      bytes: this.#bytes.subarray(start, this.#offset),
    }
  }

  /** The next element when it has `tag`, else undefined and nothing is consumed. */
  optional(tag: number): DerNode | undefined {
    return this.peek() === tag ? this.next(tag) : undefined
  }

  /** The content of the next element, which must be a SEQUENCE. */
  sequence(): DerReader {
    return new DerReader(this.next(TAG.sequence).content)
  }

  /** Throws unless everything was read. */
  end(): void {
    if (!this.done) throw malformed('bytes after the last element')
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset]
    if (byte === undefined) throw malformed('ends inside an element')
    this.#offset += 1
    return byte
  }

  #length(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count === 0 || count > 4) throw malformed('indefinite or oversized length')
    let length = 0
    for (let i = 0; i < count; i += 1) length = length * 256 + this.#byte()
    const fewest = length < 0x80 ? 0 : Math.ceil((32 - Math.clz32(length)) / 8)
    if (fewest !== count) throw malformed('length not in the fewest bytes')
    return length
  }
}

/** The bytes of an INTEGER, which must be minimal (X.690 §8.3.2). */
export function integerContent(node: DerNode): Buffer {
  const [first, second] = node.content
  if (first === undefined) throw malformed('empty integer')
  if (second !== undefined) {
    const padded = (first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80)
    if (padded) throw malformed('integer not in the fewest bytes')
  }
  return node.content
}

/** The bytes of a BIT STRING that must consist of whole bytes. */
export function wholeBitString(node: DerNode): Buffer {
  if (node.content[0] !== 0) throw malformed('bit string with unused bits')
  return node.content.subarray(1)
}

/** An OBJECT IDENTIFIER in dotted form. */
export function oidText(node: DerNode): string {
  const parts: number[] = []
  let value = 0
  let pending = false
  for (const byte of node.content) {
    if (!pending && byte === 0x80) throw malformed('object identifier not in the fewest bytes')
    value = value * 128 + (byte & 0x7f)
    if (value > Number.MAX_SAFE_INTEGER / 128) throw malformed('object identifier too large')
    pending = byte >= 0x80
    if (!pending) {
      parts.push(value)
      value = 0
    }
  }
  const [first, ...rest] = parts
  if (pending || first === undefined) throw malformed('cut object identifier')
  const top = first < 40 ? 0 : first < 80 ? 1 : 2
  return [top, first - top * 40, ...rest].join('.')
}

/** Encodes one element. */
export function derEncode(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content])
  const length: number[] = []
  for (let rest = content.length; rest > 0; rest = Math.floor(rest / 256))
    length.unshift(rest % 256)
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length, ...length), content])
}
