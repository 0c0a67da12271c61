import { ScalarType } from '@bufbuild/protobuf'
import { varint64Size, varintSize } from './writer.ts'
import type { Writer } from './writer.ts'

/** Wire types of the Protocol Buffers encoding. */
export const VARINT = 0
export const LENGTH_DELIMITED = 2

/** Encodes a value of one type, without its tag. */
export interface ValueEncoder {
  readonly wireType: typeof VARINT | typeof LENGTH_DELIMITED
  /** First pass: bytes of the value; NaN when this encoder does not take such a value. */
  readonly size: (value: unknown, writer: Writer) => number
  /** Second pass. */
  readonly write: (value: never, writer: Writer) => void
}

const MAX_INT32 = 0x7fff_ffff
const MAX_UINT32 = 0xffff_ffff
const MAX_UINT64 = 2n ** 64n - 1n
const NEGATIVE_SIZE = 10

const bool: ValueEncoder = {
  wireType: VARINT,
  size: (value) => (typeof value === 'boolean' ? 1 : NaN),
  write: (value: boolean, writer) => writer.varint(value ? 1 : 0),
}

const uint32: ValueEncoder = {
  wireType: VARINT,
  size: (value) => (isWhole(value, 0, MAX_UINT32) ? varintSize(value) : NaN),
  write: (value: number, writer) => writer.varint(value),
}

/** Negative numbers are written as the 64-bit ones that they are. */
export const int32: ValueEncoder = {
  wireType: VARINT,
  size: (value) => {
    if (!isWhole(value, -MAX_INT32 - 1, MAX_INT32)) return NaN
    return value < 0 ? NEGATIVE_SIZE : varintSize(value)
  },
  write: (value: number, writer) => {
    if (value < 0) writer.varint64(BigInt.asUintN(64, BigInt(value)))
    else writer.varint(value)
  },
}

const uint64: ValueEncoder = {
  wireType: VARINT,
  size: (value) => (isUint64(value) ? varint64Size(value) : NaN),
  write: (value: bigint, writer) => writer.varint64(value),
}

const int64: ValueEncoder = {
  wireType: VARINT,
  size: (value) =>
    typeof value === 'bigint' && BigInt.asIntN(64, value) === value
      ? varint64Size(BigInt.asUintN(64, value))
      : NaN,
  write: (value: bigint, writer) => writer.varint64(BigInt.asUintN(64, value)),
}

const string: ValueEncoder = {
  wireType: LENGTH_DELIMITED,
  size: (value, writer) => {
    if (typeof value !== 'string') return NaN
    const length = Buffer.byteLength(value)
    writer.note(writer.reserve(), length)
    return varintSize(length) + length
  },
  write: (value: string, writer) => writer.text(value, writer.length()),
}

const bytes: ValueEncoder = {
  wireType: LENGTH_DELIMITED,
  size: (value) => (value instanceof Uint8Array ? varintSize(value.length) + value.length : NaN),
  write: (value: Uint8Array, writer) => {
    writer.varint(value.length)
    writer.raw(value)
  },
}

/** The scalar types that Fabric's messages are made of. */
export const scalars: ReadonlyMap<ScalarType, ValueEncoder> = new Map([
  [ScalarType.BOOL, bool],
  [ScalarType.UINT32, uint32],
  [ScalarType.INT32, int32],
  [ScalarType.UINT64, uint64],
  [ScalarType.INT64, int64],
  [ScalarType.STRING, string],
  [ScalarType.BYTES, bytes],
])

function isUint64(value: unknown): value is bigint {
  return typeof value === 'bigint' && value >= 0n && value <= MAX_UINT64
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}
