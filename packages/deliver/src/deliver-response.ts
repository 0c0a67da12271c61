import { type Received, common, decode, orderer, receive } from '@heddle/proto'

/** A decoded `orderer.DeliverResponse`; a block keeps the bytes that it came in. */
export type DeliverFrame =
  { readonly status: common.Status } | { readonly block: Received<common.Block> }

/** Field 2 of the response, length-delimited; put first by every service. */
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
  try {
    if (bytes[0] !== blockTag) return statusOf(decode(orderer.DeliverResponseSchema, bytes))
    const length = varint(bytes, 1)
    if (!length || length.end + length.value !== bytes.length) return undefined
    return { block: receive(common.BlockSchema, bytes.subarray(length.end)) }
  } catch {
    return undefined
  }
}

function statusOf({ Type }: orderer.DeliverResponse): DeliverFrame | undefined {
  return Type.case === 'status' ? { status: Type.value } : undefined
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
