import { type ChannelRules, channelRules, serializeIdentity } from '@heddle/msp'
import { common, decode } from '@heddle/proto'
import { type ConfigEndpoints, endpointsOf } from './config-endpoints.ts'
import { BlockError } from './errors.ts'

/** Where the policy for block signatures stands. */
const blockValidation = '/Channel/Orderer/BlockValidation'

/** `ChannelHeader.type` of a configuration; a number there, as others may come. */
const configType: number = common.HeaderType.CONFIG

/** What a configuration block says about a channel, as far as reading it goes. */
export interface ChannelConfig extends ConfigEndpoints {
  readonly channelId: string
  /** Number of the block that holds it. */
  readonly blockNumber: bigint
  /** `Config.sequence`: grows by one with every change. */
  readonly sequence: bigint
  /** Whether signatures may name a consenter by its id: channel capability V3_0. */
  readonly bft: boolean
  /** Serialized identities by consenter id. */
  readonly consenters: ReadonlyMap<number, Uint8Array>
  /** Members and policies; `rules.policy('/Channel/Orderer/BlockValidation')` is always there. */
  readonly rules: ChannelRules
}

/** The one transaction of a configuration block. */
interface ConfigTransaction {
  readonly channelHeader: common.ChannelHeader
  readonly envelope: common.ConfigEnvelope
}

/**
 * Reads the configuration in a configuration block.
 *
 * Where blocks are and who must have signed them is in it; members and policies are those of
 * `channelRules` of @heddle/msp.
 *
 * @param block - a configuration block; nothing about its signatures is checked
 * @throws {BlockError} DELIVER_CONFIG when it is none or cannot be used
 */
export function channelConfigOf(block: common.Block): ChannelConfig {
  const { header } = block
  if (!header) throw unusable('it has no header')
  const { channelHeader, envelope } = configEnvelopeOf(block)
  const { config } = envelope
  if (!config?.channelGroup) throw unusable('it holds no configuration')
  try {
    return {
      channelId: channelHeader.channelId,
      blockNumber: header.number,
      sequence: config.sequence,
      ...partsOf(config.channelGroup),
    }
  } catch (error) {
    if (error instanceof BlockError) throw error
    throw unusable('its content is invalid', error)
  }
}

/** What the groups of a configuration say. */
function partsOf(
  channel: common.ConfigGroup,
): Pick<ChannelConfig, 'bft' | 'consenters' | 'rules' | keyof ConfigEndpoints> {
  const orderer = channel.groups['Orderer']
  if (!orderer) throw unusable('it has no orderer section')
  const rules = channelRules(channel)
  if (!rules.policy(blockValidation)) throw unusable(`it has no policy ${blockValidation}`)
  return {
    bft: hasCapability(channel, 'V3_0'),
    consenters: consentersOf(orderer),
    ...endpointsOf(channel, orderer, rules.msps),
    rules,
  }
}

function configEnvelopeOf(block: common.Block): ConfigTransaction {
  const [only, ...others] = block.data?.data ?? []
  if (!only || others.length > 0) throw unusable('it does not hold exactly one transaction')
  try {
    const { channelHeader, data } = payloadOf(only)
    if (channelHeader.type !== configType) {
      throw unusable('its transaction is not of type CONFIG')
    }
    return { channelHeader, envelope: decode(common.ConfigEnvelopeSchema, data) }
  } catch (error) {
    if (error instanceof BlockError) throw error
    throw unusable('its transaction is malformed', error)
  }
}

function payloadOf(envelope: Uint8Array): {
  channelHeader: common.ChannelHeader
  data: Uint8Array
} {
  const { payload } = decode(common.EnvelopeSchema, envelope)
  const { header, data } = decode(common.PayloadSchema, payload)
  if (!header) throw unusable('its transaction has no header')
  return { channelHeader: decode(common.ChannelHeaderSchema, header.channelHeader), data }
}

function hasCapability(group: common.ConfigGroup, name: string): boolean {
  const value = group.values['Capabilities']
  if (!value) return false
  return name in decode(common.CapabilitiesSchema, value.value).capabilities
}

function consentersOf(orderer: common.ConfigGroup): Map<number, Uint8Array> {
  const value = orderer.values['Orderers']
  const mapping = value ? decode(common.OrderersSchema, value.value).consenterMapping : []
  return new Map(mapping.map(({ id, mspId, identity }) => [id, serializeIdentity(mspId, identity)]))
}

function unusable(why: string, cause?: unknown): BlockError {
  const reason = cause instanceof Error ? `${why}: ${cause.message}` : why
  return new BlockError('DELIVER_CONFIG', `the configuration block cannot be used: ${reason}`, {
    cause,
  })
}
