import { ScalarType, protoInt64 } from '@bufbuild/protobuf'
import { WireType } from '@bufbuild/protobuf/wire'
import type { Reader } from './reader.ts'

/** Decodes a value of one type, without its tag, that ends not after `end`. */
export interface ValueDecoder {
  readonly wireType: WireType.Varint | WireType.LengthDelimited
  /** `undefined` when this decoder does not take what is there. */
  readonly read: (reader: Reader, end: number) => unknown
}

/** Numbers of enums too. */
export const int32 = varint((reader) => reader.varint())

/** The scalar types that Fabric's messages are made of. */
export const scalars: ReadonlyMap<ScalarType, ValueDecoder> = new Map([
  [ScalarType.BOOL, varint((reader) => reader.varint() !== 0 || reader.high !== 0)],
  [ScalarType.INT32, int32],
  [ScalarType.UINT32, varint((reader) => reader.varint() >>> 0)],
  [ScalarType.INT64, varint((reader) => protoInt64.dec(reader.varint(), reader.high))],
  [ScalarType.UINT64, varint((reader) => protoInt64.uDec(reader.varint(), reader.high))],
  [ScalarType.STRING, delimited((reader, end) => reader.text(end))],
  [ScalarType.BYTES, delimited((reader, end) => reader.bytes(end))],
])

function varint(read: ValueDecoder['read']): ValueDecoder {
  return { wireType: WireType.Varint, read }
}

/** Of what has its length before it. */
export function delimited(read: ValueDecoder['read']): ValueDecoder {
  return { wireType: WireType.LengthDelimited, read }
}
