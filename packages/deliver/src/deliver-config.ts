import type { ChannelConfig } from '@heddle/channel'
import type { common } from '@heddle/proto'
import { configIn } from './channel-config.ts'
import { type ConfigEndpoints, endpointsOf } from './config-endpoints.ts'

/** What a configuration block says about a channel, and where its blocks can be had from here. */
export interface DeliverConfig extends ChannelConfig, ConfigEndpoints {}

/**
 * Reads the configuration in a configuration block: as `channelConfigOf` of @heddle/channel, with the
 * endpoints that can be used.
 *
 * @param block - a configuration block; nothing about its signatures is checked
 * @throws {BlockError} DELIVER_CONFIG when it is none or cannot be used
 */
export function channelConfigOf(block: common.Block): DeliverConfig {
  const config = configIn(block)
  return { ...config, ...endpointsOf(config) }
}
