import { type ChannelConfig, ChannelError, channelConfigOf } from '@heddle/channel'
import type { common } from '@heddle/proto'
import { BlockError } from './errors.ts'

/**
 * The configuration in a configuration block that somebody sent, or that is trusted.
 *
 * @throws {BlockError} DELIVER_CONFIG when it is none or cannot be used; the cause is the ChannelError
 */
export function configIn(block: common.Block): ChannelConfig {
  try {
    return channelConfigOf(block)
  } catch (cause) {
    if (!(cause instanceof ChannelError)) throw cause
    throw new BlockError('DELIVER_CONFIG', cause.message, { cause })
  }
}
