import { decode } from './codec.ts'
import { EnvelopeSchema, ChannelHeaderSchema, HeaderType, PayloadSchema } from './common.ts'
import type { Block } from './common.ts'

/** `ChannelHeader.type` of a configuration; a number there, as others may come. */
const configType: number = HeaderType.CONFIG

/**
 * Whether `block` holds a channel's configuration: exactly one transaction, of type CONFIG. False
 * also for what cannot be decoded; nothing is verified.
 *
 * @see fabric v3.1.5 protoutil/commonutils.go (IsConfigBlock)
 */
export function isConfigBlock(block: Block): boolean {
  const [only, ...others] = block.data?.data ?? []
  if (only === undefined || others.length > 0) return false
  try {
    const { payload } = decode(EnvelopeSchema, only)
    const { header } = decode(PayloadSchema, payload)
    if (header === undefined) return false
    return decode(ChannelHeaderSchema, header.channelHeader).type === configType
  } catch {
    return false
  }
}
