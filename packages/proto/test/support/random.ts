import { ScalarType, create } from '@bufbuild/protobuf'
import type { DescField, DescMessage, DescOneof, Message } from '@bufbuild/protobuf'

/** Numbers below `n`, the same for the same seed (mulberry32). */
export type Random = (n: number) => number

export function seeded(seed: number): Random {
  let state = seed >>> 0
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n)
  }
}

export interface RandomOptions {
  /** Numbers that a JavaScript number holds exactly: at most 53 significant bits. */
  readonly exact?: boolean
}

const ALPHABET = ['a', 'Z', '0', '.', 'é', '漢', '😀', '\u0000']

/** A message with about half of its fields set, at most `depth` messages inside one another. */
export function randomMessage(
  schema: DescMessage,
  random: Random,
  options: RandomOptions = {},
  depth = 4,
): Message {
  const init: Record<string, unknown> = {}
  const make = new Maker(random, options, depth)
  for (const member of schema.members) {
    if (random(2) === 0) continue
    if (member.kind === 'oneof') init[member.localName] = make.oneof(member)
    else init[member.localName] = make.field(member)
  }
  return create(schema, init)
}

class Maker {
  readonly random: Random
  readonly options: RandomOptions
  readonly depth: number

  constructor(random: Random, options: RandomOptions, depth: number) {
    this.random = random
    this.options = options
    this.depth = depth
  }

  oneof(oneof: DescOneof): unknown {
    const field = oneof.fields[this.random(oneof.fields.length)]!
    const value = this.field(field)
    return value === undefined ? { case: undefined } : { case: field.localName, value }
  }

  field(field: DescField): unknown {
    if (field.fieldKind === 'list') return this.#several(() => this.#element(field))
    if (field.fieldKind !== 'map') return this.#element(field)
    const numeric = field.mapKey !== ScalarType.STRING
    const keys = this.#several((i) => (numeric ? String(i) : `k${String(i)}${this.#text()}`)).sort()
    return Object.fromEntries(
      keys.map((key) => [key, this.#element(field)]).filter(([, value]) => value !== undefined),
    )
  }

  #several<T>(make: (index: number) => T | undefined): T[] {
    return Array.from({ length: this.random(4) }, (_, index) => make(index)).filter(
      (value) => value !== undefined,
    )
  }

  #element(field: DescField): unknown {
    if (field.message) {
      if (this.depth === 0) return undefined
      return randomMessage(field.message, this.random, this.options, this.depth - 1)
    }
    if (field.enum) return field.enum.values[this.random(field.enum.values.length)]!.number
    return this.#scalar(field.scalar)
  }

  #scalar(type: ScalarType | undefined): unknown {
    switch (type) {
      case ScalarType.STRING:
        return this.#text()
      case ScalarType.BYTES:
        return Uint8Array.from({ length: this.#size() }, () => this.random(256))
      case ScalarType.BOOL:
        return this.random(2) === 1
      case ScalarType.UINT64:
        return this.#uint64()
      case ScalarType.INT64:
        return BigInt.asIntN(64, this.#uint64())
      case ScalarType.UINT32:
        return this.random(2 ** this.random(33))
      case ScalarType.INT32:
        return this.random(2 ** this.random(33)) | 0
      default:
        throw new TypeError(`no random value of scalar type ${String(type)}`)
    }
  }

  #uint64(): bigint {
    const [high, low] = [BigInt(this.random(2 ** 21)), BigInt(this.random(2 ** 32))]
    const bits = (high << 32n) | low
    if (this.options.exact) return (bits >> BigInt(this.random(53))) << BigInt(this.random(12))
    const wide = (bits << 32n) | BigInt(this.random(2 ** 32))
    return BigInt.asUintN(64, wide) >> BigInt(this.random(64))
  }

  /** Mostly small, sometimes beyond what one length byte can tell. */
  #size(): number {
    return this.random(8) === 0 ? this.random(700) : this.random(12)
  }

  #text(): string {
    return Array.from({ length: this.#size() }, () => ALPHABET[this.random(ALPHABET.length)]).join(
      '',
    )
  }
}
