import { common, decode, isConfigBlock } from '@heddle/proto'

// Blocks leave as they are stored: the few bytes around them are written here by hand, so that a
// block of megabytes is neither decoded nor encoded for each reader.

/** Field 2 of `orderer.DeliverResponse`, length-delimited. */
const blockTag = 0x12
/** Field 2 of `common.Block`, length-delimited. */
const dataField = 2
const lengthDelimited = 2

/** An encoded `orderer.DeliverResponse` that carries the block whose bytes are given. */
export function blockResponse(block: Uint8Array): Buffer {
  const length = varint(block.length)
  const response = Buffer.allocUnsafe(1 + length.length + block.length)
  response[0] = blockTag
  response.set(length, 1)
  response.set(block, 1 + length.length)
  return response
}

/**
 * The block without its transactions, as a HEADER_WITH_SIG request wants it; a configuration block
 * is given back whole, because nobody can follow the channel without its content.
 *
 * @param bytes - an encoded `common.Block`
 * @throws {ProtoMalformedError} when it is none
 */
export function headerWithSignatures(bytes: Uint8Array): Uint8Array {
  const block = decode(common.BlockSchema, bytes)
  if (isConfigBlock(block)) return bytes
  return withoutField(bytes, dataField)
}

/** The message's bytes without the fields of number `field`; `bytes` is known to decode. */
function withoutField(bytes: Uint8Array, field: number): Uint8Array {
  const kept: Uint8Array[] = []
  let at = 0
  while (at < bytes.length) {
    const start = at
    const tag = readVarint(bytes, at)
    if ((tag.value & 7) !== lengthDelimited) return bytes // Block has no other kind of field
    const length = readVarint(bytes, tag.end)
    at = length.end + length.value
    if (tag.value >>> 3 !== field) kept.push(bytes.subarray(start, at))
  }
  return Buffer.concat(kept)
}

/** Reads a varint below 2^53; that suffices for tags and lengths. */
function readVarint(bytes: Uint8Array, from: number): { value: number; end: number } {
  let value = 0
  let factor = 1
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return { value, end: at + 1 }
    factor *= 128
  }
  return { value, end: bytes.length }
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return bytes
}
