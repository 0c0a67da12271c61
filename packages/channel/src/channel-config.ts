import { serializeIdentity } from '@heddle/msp'
import { common, decode, orderer } from '@heddle/proto'
import { type ChannelRules, channelRules } from './channel-rules.ts'
import { ChannelError, type ChannelErrorCode } from './errors.ts'
import { type OrdererEndpoint, ordererEndpointsOf } from './orderer-endpoints.ts'

/** Where the policy for block signatures stands. */
const blockValidation = '/Channel/Orderer/BlockValidation'

/** `ChannelHeader.type` of a configuration; a number there, as others may come. */
const configType: number = common.HeaderType.CONFIG

/** Who signs blocks, as a configuration names it (`common.Consenter`). */
export interface Consenter {
  /** By which a block's signature names it in a BFT channel; unique, from 1 on in Fabric. */
  readonly id: number
  readonly mspId: string
  /** `msp.SerializedIdentity` bytes. */
  readonly identity: Uint8Array
}

/** How a channel is ordered (`orderer.ConsensusType`). */
export interface Consensus {
  /** `BFT`, `etcdraft`, … */
  readonly type: string
  /** Whatever the consenter wants every node to know: opaque here. */
  readonly metadata: Uint8Array
}

/** What a configuration block says about a channel. */
export interface ChannelConfig {
  readonly channelId: string
  /** Number of the block that holds it. */
  readonly blockNumber: bigint
  /** `Config.sequence`: grows by one with every change. */
  readonly sequence: bigint
  /** Whether signatures may name a consenter by its id: channel capability V3_0. */
  readonly bft: boolean
  /** Undefined when the configuration does not say. */
  readonly consensus: Consensus | undefined
  /** By their ids, in the order of the configuration; none in a channel without BFT. */
  readonly consenters: ReadonlyMap<number, Consenter>
  /** Where blocks can be had: as the configuration names them, nothing of it checked. */
  readonly ordererEndpoints: readonly OrdererEndpoint[]
  /** Members and policies; `rules.policy('/Channel/Orderer/BlockValidation')` is always there. */
  readonly rules: ChannelRules
}

/** The one transaction of a configuration block. */
interface ConfigTransaction {
  readonly channelId: string
  readonly config: common.Config
}

/**
 * Reads the configuration in a configuration block.
 *
 * @param block - a configuration block; nothing about its number, hashes and signatures is checked
 * @throws {ChannelError} CHANNEL_NOT_CONFIG when it is no configuration block; CHANNEL_INVALID_CONFIG
 *   when what it says cannot be used: the message says what, the cause more where there is more
 * @see fabric v3.1.5 protoutil/commonutils.go (IsConfigBlock), common/channelconfig/bundle.go
 */
export function channelConfigOf(block: common.Block): ChannelConfig {
  const { header } = block
  if (!header) throw unusable('CHANNEL_NOT_CONFIG', 'it has no header')
  const { channelId, config } = configIn(block)
  const { channelGroup: channel, sequence } = config
  if (!channel) throw unusable('CHANNEL_NOT_CONFIG', 'it holds no configuration')
  const ordererGroup = channel.groups['Orderer']
  if (!ordererGroup) throw unusable('CHANNEL_INVALID_CONFIG', 'it has no orderer section')
  const parts = readable('CHANNEL_INVALID_CONFIG', 'its content is invalid', () =>
    partsOf(channel, ordererGroup),
  )
  if (parts.rules.policy(blockValidation)) {
    return { channelId, blockNumber: header.number, sequence, ...parts }
  }
  throw unusable('CHANNEL_INVALID_CONFIG', `it has no policy ${blockValidation}`)
}

/** What the groups of a configuration say. */
function partsOf(
  channel: common.ConfigGroup,
  ordererGroup: common.ConfigGroup,
): Omit<ChannelConfig, 'channelId' | 'blockNumber' | 'sequence'> {
  const rules = channelRules(channel)
  return {
    bft: hasCapability(channel, 'V3_0'),
    consensus: consensusOf(ordererGroup),
    consenters: consentersOf(ordererGroup),
    ordererEndpoints: ordererEndpointsOf(channel, ordererGroup, rules.msps),
    rules,
  }
}

function configIn(block: common.Block): ConfigTransaction {
  const [only, ...others] = block.data?.data ?? []
  if (!only || others.length > 0) {
    throw unusable('CHANNEL_NOT_CONFIG', 'it does not hold exactly one transaction')
  }
  const malformed = 'its transaction is malformed'
  const { header, data } = readable('CHANNEL_NOT_CONFIG', malformed, () =>
    decode(common.PayloadSchema, decode(common.EnvelopeSchema, only).payload),
  )
  if (!header) throw unusable('CHANNEL_NOT_CONFIG', 'its transaction has no header')
  const { type, channelId } = readable('CHANNEL_NOT_CONFIG', malformed, () =>
    decode(common.ChannelHeaderSchema, header.channelHeader),
  )
  if (type !== configType) {
    throw unusable('CHANNEL_NOT_CONFIG', 'its transaction is not of type CONFIG')
  }
  const { config } = readable('CHANNEL_NOT_CONFIG', malformed, () =>
    decode(common.ConfigEnvelopeSchema, data),
  )
  if (!config) throw unusable('CHANNEL_NOT_CONFIG', 'it holds no configuration')
  return { channelId, config }
}

function hasCapability(group: common.ConfigGroup, name: string): boolean {
  const value = group.values['Capabilities']
  if (!value) return false
  return name in decode(common.CapabilitiesSchema, value.value).capabilities
}

function consensusOf(ordererGroup: common.ConfigGroup): Consensus | undefined {
  const value = ordererGroup.values['ConsensusType']
  if (!value) return undefined
  const { type, metadata } = decode(orderer.ConsensusTypeSchema, value.value)
  return { type, metadata }
}

/** Two of one id would leave open whose signature a block has. */
function consentersOf(ordererGroup: common.ConfigGroup): Map<number, Consenter> {
  const value = ordererGroup.values['Orderers']
  const mapping = value ? decode(common.OrderersSchema, value.value).consenterMapping : []
  const found = new Map<number, Consenter>()
  for (const { id, mspId, identity } of mapping) {
    if (found.has(id))
      throw new ChannelError('CHANNEL_INVALID_CONFIG', `two consenters have the id ${id}`)
    found.set(id, { id, mspId, identity: serializeIdentity(mspId, identity) })
  }
  return found
}

/** What `read` returns; what it throws is the reason why the block cannot be used. */
function readable<T>(code: ChannelErrorCode, why: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw unusable(code, `${why}: ${(cause as Error).message}`, cause)
  }
}

function unusable(code: ChannelErrorCode, why: string, cause?: unknown): ChannelError {
  return new ChannelError(code, `the configuration block cannot be used: ${why}`, { cause })
}
