import { channelConfigOf } from '@heddle/channel'
import { PeerError, messageOf } from '../errors.ts'
import type { ChannelConfig, ChannelRules, Consenter } from '@heddle/channel'
import type { common } from '@heddle/proto'

/** What a validator takes from the genesis block. */
export interface ValidatorChannel {
  readonly channelId: string
  readonly rules: ChannelRules
  /** In the order of their ids, which are replica id + 1: the index is the replica id. */
  readonly consenters: readonly Consenter[]
}

function invalid(message: string, cause?: unknown): PeerError {
  return new PeerError('PEER_INVALID_CONFIG', message, {
    cure: 'take the genesis block that the other validators have',
    cause,
  })
}

function configOf(genesis: common.Block): ChannelConfig {
  try {
    return channelConfigOf(genesis)
  } catch (error) {
    throw invalid(`genesis block: ${messageOf(error)}`, error)
  }
}

/**
 * The metadata of the consensus type: opaque to Fabric, `heddle.GenesisState` to us.
 * @throws {PeerError} PEER_INVALID_CONFIG when the block is damaged or has none
 */
export function consensusMetadataOf(genesis: common.Block): Uint8Array {
  const { consensus } = configOf(genesis)
  if (consensus === undefined)
    throw invalid('the genesis block does not say how the channel is ordered')
  return consensus.metadata
}

/**
 * Reads the genesis block of a channel.
 * @throws {PeerError} PEER_INVALID_CONFIG when it is damaged or of another kind of network
 */
export function readChannelConfig(genesis: common.Block): ValidatorChannel {
  const { channelId, rules, consenters } = configOf(genesis)
  const inOrder = [...consenters.values()].sort((a, b) => a.id - b.id)
  if (inOrder.length === 0 || inOrder.some(({ id }, index) => id !== index + 1)) {
    throw invalid('the genesis block is not usable: its consenters are not numbered from 1 on')
  }
  return { channelId, rules, consenters: inOrder }
}
