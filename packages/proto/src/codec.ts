import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { decodeFast } from './decoder/decoder.ts'
import { encodeFast } from './encoder/encoder.ts'
import { ProtoInvalidMessageError, ProtoMalformedError } from './errors.ts'

/**
 * A message together with the bytes that it came in.
 *
 * Signatures and hashes are checked over `bytes`; a decoded message encoded again may differ from
 * them (unusual field order, overlong numbers) though it means the same.
 */
export interface Received<T> {
  /** The decoded message. Its `bytes` fields are views of {@link Received.bytes}. */
  readonly message: T
  /** Exactly the bytes that were decoded. */
  readonly bytes: Uint8Array
}

/**
 * Encodes `message`: fields in ascending order, shortest numbers, no default values, unknown
 * fields at the end in the order in which they came. The same message always gives the same bytes,
 * apart from maps, which are written in the order of their keys in the object.
 *
 * @throws {ProtoInvalidMessageError} PROTO_INVALID_MESSAGE when a field holds a value outside of
 * its type's range
 */
export function encode<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Buffer {
  try {
    return encodeFast(schema, message) ?? asBuffer(toBinary(schema, message))
  } catch (error) {
    throw new ProtoInvalidMessageError(schema.typeName, { cause: error })
  }
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Decodes `bytes`. Nothing is copied: `bytes` fields of the result are views into it, so copy what
 * is kept for long. Unknown fields are kept and encoded again. At most 100 messages inside one
 * another.
 *
 * @throws {ProtoMalformedError} PROTO_MALFORMED for anything that is not an encoding of the message
 * @see Protocol Buffers encoding; fixtures `fabric v2.5.16` and `v3.1.5` of this package's tests
 */
export function decode<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): MessageShape<Desc> {
  try {
    const message = decodeFast(schema, bytes) as MessageShape<Desc> | undefined
    return message ?? fromBinary(schema, bytes)
  } catch (error) {
    throw new ProtoMalformedError(schema.typeName, { cause: error })
  }
}

/**
 * As {@link decode}, with the bytes beside the message. The bytes are not copied.
 *
 * @throws {ProtoMalformedError} PROTO_MALFORMED for anything that is not an encoding of the message
 */
export function receive<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): Received<MessageShape<Desc>> {
  return { message: decode(schema, bytes), bytes }
}
