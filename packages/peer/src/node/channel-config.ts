import { channelRules, serializeIdentity } from '@heddle/msp'
import { common, decode, orderer } from '@heddle/proto'
import { PeerError, messageOf } from '../errors.ts'
import type { ChannelRules } from '@heddle/msp'

/** A consenter as the genesis block names it. */
export interface Consenter {
  /** In the block's `consenter_mapping`: replica id + 1, because Fabric wants no 0. */
  readonly id: number
  readonly mspId: string
  /** `msp.SerializedIdentity` bytes. */
  readonly identity: Uint8Array
}

/** What a validator takes from the genesis block. */
export interface ChannelConfig {
  readonly channelId: string
  readonly rules: ChannelRules
  /** In the order of their ids: the index is the replica id. */
  readonly consenters: readonly Consenter[]
}

interface ChannelRoot {
  readonly channelId: string
  readonly group: common.ConfigGroup
}

function invalid(what: string, cause?: unknown): PeerError {
  return new PeerError('PEER_INVALID_CONFIG', `the genesis block is not usable: ${what}`, {
    cure: 'take the genesis block that the other validators have',
    cause,
  })
}

function rootOf(block: common.Block): ChannelRoot {
  const bytes = block.data?.data[0]
  if (bytes === undefined) throw invalid('it holds no envelope')
  const payload = decode(common.PayloadSchema, decode(common.EnvelopeSchema, bytes).payload)
  const header = payload.header?.channelHeader ?? new Uint8Array()
  const group = decode(common.ConfigEnvelopeSchema, payload.data).config?.channelGroup
  if (group === undefined) throw invalid('it holds no configuration')
  return { channelId: decode(common.ChannelHeaderSchema, header).channelId, group }
}

function ordererValue({ group }: ChannelRoot, name: string): Uint8Array {
  const value = group.groups['Orderer']?.values[name]?.value
  if (value === undefined) throw invalid(`${name} is missing`)
  return value
}

/** The metadata of the consensus type: opaque to Fabric, `heddle.GenesisState` to us. */
export function consensusMetadataOf(genesis: common.Block): Uint8Array {
  const value = ordererValue(rootOf(genesis), 'ConsensusType')
  return decode(orderer.ConsensusTypeSchema, value).metadata
}

function readParts(genesis: common.Block): ChannelConfig {
  const root = rootOf(genesis)
  const { consenterMapping } = decode(common.OrderersSchema, ordererValue(root, 'Orderers'))
  const consenters = consenterMapping
    .map(({ id, mspId, identity }) => ({ id, mspId, identity: serializeIdentity(mspId, identity) }))
    .sort((a, b) => a.id - b.id)
  if (consenters.length === 0 || consenters.some(({ id }, index) => id !== index + 1)) {
    throw invalid('its consenters are not numbered from 1 on')
  }
  return { channelId: root.channelId, rules: channelRules(root.group), consenters }
}

/**
 * Reads the genesis block of a channel.
 * @throws {PeerError} PEER_INVALID_CONFIG when it is damaged or of another kind of network
 */
export function readChannelConfig(genesis: common.Block): ChannelConfig {
  try {
    return readParts(genesis)
  } catch (error) {
    throw error instanceof PeerError ? error : invalid(messageOf(error), error)
  }
}
