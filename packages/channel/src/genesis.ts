import { createHash } from 'node:crypto'
import { unknownOption } from '@heddle/interface'
import {
  type MessageInitShape,
  blockMetadata,
  buildBlock,
  common,
  create,
  encode,
  msp,
  orderer,
  ordererMetadataValue,
  protos,
  timestampFromDate,
} from '@heddle/proto'
import { configGroup } from './config-group.ts'
import { ChannelError } from './errors.ts'
import { anyRole, consenterQuorum, implicitMeta } from './policies.ts'

const { ImplicitMetaPolicy_Rule: Rule } = common

/** An organisation whose nodes order. */
export interface OrdererOrganization {
  /** The name of its group in the configuration. */
  readonly name: string
  readonly mspId: string
  readonly msp: msp.MSPConfig
  /** `host:port` of its Broadcast and Deliver services; at least one. */
  readonly endpoints: readonly string[]
}

/** An organisation whose peers and clients use the channel. */
export interface ApplicationOrganization {
  /** The name of its group in the configuration. */
  readonly name: string
  readonly mspId: string
  /** `Msp.toConfig` of @heddle/msp. */
  readonly msp: msp.MSPConfig
  /** Peers that others may meet first; none by default. */
  readonly anchorPeers?: readonly { readonly host: string; readonly port: number }[]
}

/** What a channel begins with; see {@link createGenesisBlock}. */
export interface GenesisOptions {
  readonly channelId: string
  /** Goes into the channel header. */
  readonly timestamp: Date
  /** Goes into the signature header and decides the transaction id; 24 bytes in Fabric. */
  readonly nonce: Uint8Array
  readonly ordererOrgs: readonly OrdererOrganization[]
  readonly applicationOrgs: readonly ApplicationOrganization[]
  /** Who signs blocks. Ids are distinct; `identity` and the TLS certificates are PEM. */
  readonly consenters: readonly MessageInitShape<typeof common.ConsenterSchema>[]
  readonly batchSize: {
    readonly maxMessageCount: number
    readonly absoluteMaxBytes: number
    readonly preferredMaxBytes: number
  }
  /** Go's notation of a duration: `300ms`, `2s`. */
  readonly batchTimeout: string
  /** `ConsensusType.metadata`: whatever the consenter wants every node to know. */
  readonly consensusMetadata: Uint8Array
}

const known: Readonly<Record<keyof GenesisOptions, true>> = {
  ...{ channelId: true, timestamp: true, nonce: true, ordererOrgs: true, applicationOrgs: true },
  ...{ consenters: true, batchSize: true, batchTimeout: true, consensusMetadata: true },
}

/**
 * Makes block 0 of a channel ordered by BFT: a configuration block as Fabric's configtxgen writes
 * it for consensus type `BFT`, with capability V3_0. The same options give the same bytes.
 *
 * @throws {ChannelError} CHANNEL_INVALID_OPTIONS when an option is unknown, there is no organisation, no consenter, an
 *   orderer organisation without endpoint (V3_0 forbids it), or an id or a name twice
 * @see fabric v3.1.5 sampleconfig/configtx.yaml; fixture `fabric v3.1.5` genesis block
 */
export function createGenesisBlock(options: GenesisOptions): common.Block {
  const unknown = unknownOption(options, Object.keys(known))
  if (unknown !== undefined) throw invalid(unknown)
  validate(options)
  const config = create(common.ConfigEnvelopeSchema, {
    config: { sequence: 0n, channelGroup: channelGroup(options) },
  })
  const envelope = create(common.EnvelopeSchema, {
    payload: configPayload(options, encode(common.ConfigEnvelopeSchema, config)),
  })
  return buildBlock({
    number: 0n,
    previousHash: new Uint8Array(0),
    envelopes: [encode(common.EnvelopeSchema, envelope)],
    metadata: blockMetadata({ signatures: { value: ordererMetadataValue(0n) } }),
  })
}

function configPayload(options: GenesisOptions, data: Uint8Array): Uint8Array {
  const creator = new Uint8Array(0)
  const txId = createHash('sha256').update(options.nonce).update(creator).digest('hex')
  const channelHeader = create(common.ChannelHeaderSchema, {
    type: common.HeaderType.CONFIG,
    version: 1,
    timestamp: timestampFromDate(options.timestamp),
    channelId: options.channelId,
    txId,
  })
  const signatureHeader = create(common.SignatureHeaderSchema, { nonce: options.nonce })
  const payload = create(common.PayloadSchema, {
    header: {
      channelHeader: encode(common.ChannelHeaderSchema, channelHeader),
      signatureHeader: encode(common.SignatureHeaderSchema, signatureHeader),
    },
    data,
  })
  return encode(common.PayloadSchema, payload)
}

function channelGroup(options: GenesisOptions): common.ConfigGroup {
  return configGroup({
    values: {
      HashingAlgorithm: encode(
        common.HashingAlgorithmSchema,
        create(common.HashingAlgorithmSchema, { name: 'SHA256' }),
      ),
      // One leaf for the whole block: the data hash is over all envelopes at once.
      BlockDataHashingStructure: encode(
        common.BlockDataHashingStructureSchema,
        create(common.BlockDataHashingStructureSchema, { width: 0xffff_ffff }),
      ),
      Capabilities: capabilities('V3_0'),
    },
    policies: rolePolicies(),
    groups: { Orderer: ordererGroup(options), Application: applicationGroup(options) },
  })
}

function ordererGroup(options: GenesisOptions): common.ConfigGroup {
  const consenters = options.consenters.map((init) => create(common.ConsenterSchema, init))
  return configGroup({
    values: {
      ConsensusType: encode(
        orderer.ConsensusTypeSchema,
        create(orderer.ConsensusTypeSchema, { type: 'BFT', metadata: options.consensusMetadata }),
      ),
      BatchSize: encode(
        orderer.BatchSizeSchema,
        create(orderer.BatchSizeSchema, { ...options.batchSize }),
      ),
      BatchTimeout: encode(
        orderer.BatchTimeoutSchema,
        create(orderer.BatchTimeoutSchema, { timeout: options.batchTimeout }),
      ),
      ChannelRestrictions: new Uint8Array(0),
      Orderers: encode(
        common.OrderersSchema,
        create(common.OrderersSchema, { consenterMapping: consenters }),
      ),
      Capabilities: capabilities('V2_0'),
    },
    policies: { ...rolePolicies(), BlockValidation: consenterQuorum(consenters) },
    groups: Object.fromEntries(options.ordererOrgs.map((org) => [org.name, ordererOrg(org)])),
  })
}

function ordererOrg({ mspId, msp: config, endpoints }: OrdererOrganization): common.ConfigGroup {
  const addresses = create(common.OrdererAddressesSchema, { addresses: [...endpoints] })
  return configGroup({
    values: {
      MSP: encodeMsp(config),
      Endpoints: encode(common.OrdererAddressesSchema, addresses),
    },
    policies: {
      Readers: anyRole(mspId, ['member']),
      Writers: anyRole(mspId, ['member']),
      Admins: anyRole(mspId, ['admin']),
    },
  })
}

function applicationGroup(options: GenesisOptions): common.ConfigGroup {
  const endorsement = implicitMeta(Rule.MAJORITY, 'Endorsement')
  return configGroup({
    values: { Capabilities: capabilities('V2_5') },
    policies: {
      ...rolePolicies(),
      Endorsement: endorsement,
      LifecycleEndorsement: endorsement,
    },
    groups: Object.fromEntries(
      options.applicationOrgs.map((org) => [org.name, applicationOrg(org)]),
    ),
  })
}

function applicationOrg(org: ApplicationOrganization): common.ConfigGroup {
  const { mspId, anchorPeers = [] } = org
  const anchors = create(protos.AnchorPeersSchema, {
    anchorPeers: anchorPeers.map(({ host, port }) => ({ host, port })),
  })
  return configGroup({
    values: {
      MSP: encodeMsp(org.msp),
      ...(anchorPeers.length > 0 && { AnchorPeers: encode(protos.AnchorPeersSchema, anchors) }),
    },
    policies: {
      Readers: anyRole(mspId, ['admin', 'peer', 'client']),
      Writers: anyRole(mspId, ['admin', 'client']),
      Admins: anyRole(mspId, ['admin']),
      Endorsement: anyRole(mspId, ['peer']),
    },
  })
}

function encodeMsp(config: msp.MSPConfig): Uint8Array {
  return encode(msp.MSPConfigSchema, config)
}

function capabilities(name: string): Uint8Array {
  const message = create(common.CapabilitiesSchema, { capabilities: { [name]: {} } })
  return encode(common.CapabilitiesSchema, message)
}

/** Readers and Writers: of any group below. Admins: of most of them. */
function rolePolicies(): Record<string, common.Policy> {
  return {
    Readers: implicitMeta(Rule.ANY, 'Readers'),
    Writers: implicitMeta(Rule.ANY, 'Writers'),
    Admins: implicitMeta(Rule.MAJORITY, 'Admins'),
  }
}

function validate({ ordererOrgs, applicationOrgs, consenters }: GenesisOptions): void {
  if (ordererOrgs.length === 0 || applicationOrgs.length === 0 || consenters.length === 0) {
    throw invalid(
      'a channel needs an orderer organisation, an application organisation and a consenter',
    )
  }
  if (ordererOrgs.some(({ endpoints }) => endpoints.length === 0)) {
    throw invalid('every orderer organisation needs an endpoint')
  }
  assertDistinct(
    'consenter id',
    consenters.map(({ id }) => id ?? 0),
  )
  assertDistinct(
    'orderer organisation',
    ordererOrgs.map(({ name }) => name),
  )
  assertDistinct(
    'application organisation',
    applicationOrgs.map(({ name }) => name),
  )
}

function assertDistinct(what: string, values: readonly (string | number)[]): void {
  const twice = values.find((value, index) => values.indexOf(value) !== index)
  if (twice !== undefined) throw invalid(`${what} ${twice} is given twice`)
}

function invalid(message: string): ChannelError {
  return new ChannelError('CHANNEL_INVALID_OPTIONS', message)
}
