import { type Received, common, receive } from '@heddle/proto'

/** A decoded `orderer.DeliverResponse`; a block keeps the bytes that it came in. */
export type DeliverFrame =
  { readonly status: common.Status } | { readonly block: Received<common.Block> }

const statusTag = 0x08
const blockTag = 0x12

/**
 * Decodes a response of the Deliver service.
 *
 * The block is cut out of the response instead of being encoded again: what is stored and passed
 * on are the bytes that the signatures were checked over.
 *
 * @returns undefined for anything but exactly one status or one block
 */
export function decodeDeliverResponse(bytes: Uint8Array): DeliverFrame | undefined {
  const value = varint(bytes, 1)
  if (!value) return undefined
  if (bytes[0] === statusTag) {
    return value.end === bytes.length ? { status: value.value } : undefined
  }
  if (bytes[0] !== blockTag || value.end + value.value !== bytes.length) return undefined
  try {
    return { block: receive(common.BlockSchema, bytes.subarray(value.end)) }
  } catch {
    return undefined
  }
}

function varint(bytes: Uint8Array, from: number): { value: number; end: number } | undefined {
  let value = 0
  let factor = 1
  for (let at = from; at < Math.min(bytes.length, from + 7); at++) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return { value, end: at + 1 }
    factor *= 128
  }
  return undefined
}
