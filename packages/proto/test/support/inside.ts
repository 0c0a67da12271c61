import { toJson } from '@bufbuild/protobuf'
import type { DescMessage, Message } from '@bufbuild/protobuf'
import {
  common,
  decode,
  encode,
  etcdraft,
  kvrwset,
  msp,
  orderer,
  protos,
  rwset,
  smartbft,
} from '../../src/index.ts'

type Inside = DescMessage | ((message: never, around: Around) => DescMessage | undefined)

/** What decides the type of bytes further in. */
interface Around {
  /** Type in the channel header of the transaction. */
  readonly headerType: number
  /** Key of the configuration value. */
  readonly key: string
}

/** Which `bytes` fields hold another message, and of which type. */
const inside: Record<string, Inside> = {
  'common.BlockData.data': common.EnvelopeSchema,
  'common.Envelope.payload': common.PayloadSchema,
  'common.Header.channel_header': common.ChannelHeaderSchema,
  'common.Header.signature_header': common.SignatureHeaderSchema,
  'common.SignatureHeader.creator': msp.SerializedIdentitySchema,
  'common.ChannelHeader.extension': (header: common.ChannelHeader) =>
    header.type === 3 ? protos.ChaincodeHeaderExtensionSchema : undefined,
  'common.Payload.data': (_: common.Payload, { headerType }) =>
    ({
      1: common.ConfigEnvelopeSchema,
      2: common.ConfigUpdateEnvelopeSchema,
      3: protos.TransactionSchema,
    })[headerType],
  'common.ConfigUpdateEnvelope.config_update': common.ConfigUpdateSchema,
  'common.ConfigSignature.signature_header': common.SignatureHeaderSchema,
  'common.ConfigValue.value': (_: common.ConfigValue, { key }) => configValues[key],
  'common.Policy.value': ({ type }: common.Policy) =>
    type === 1 ? common.SignaturePolicyEnvelopeSchema : common.ImplicitMetaPolicySchema,
  'common.MSPPrincipal.principal': ({ principalClassification }: common.MSPPrincipal) =>
    ({
      0: common.MSPRoleSchema,
      1: common.OrganizationUnitSchema,
      2: msp.SerializedIdentitySchema,
    })[principalClassification as 0 | 1 | 2],
  'msp.MSPConfig.config': msp.FabricMSPConfigSchema,
  'orderer.ConsensusType.metadata': ({ type }: orderer.ConsensusType) =>
    type === 'BFT' ? smartbft.OptionsSchema : etcdraft.ConfigMetadataSchema,
  'protos.TransactionAction.header': common.SignatureHeaderSchema,
  'protos.TransactionAction.payload': protos.ChaincodeActionPayloadSchema,
  'protos.ChaincodeActionPayload.chaincode_proposal_payload': protos.ChaincodeProposalPayloadSchema,
  'protos.ChaincodeProposalPayload.input': protos.ChaincodeInvocationSpecSchema,
  'protos.ChaincodeEndorsedAction.proposal_response_payload': protos.ProposalResponsePayloadSchema,
  'protos.ProposalResponsePayload.extension': protos.ChaincodeActionSchema,
  'protos.ChaincodeAction.results': rwset.TxReadWriteSetSchema,
  'protos.ChaincodeAction.events': protos.ChaincodeEventSchema,
  'rwset.NsReadWriteSet.rwset': kvrwset.KVRWSetSchema,
}

const configValues: Record<string, DescMessage> = {
  ACLs: protos.ACLsSchema,
  AnchorPeers: protos.AnchorPeersSchema,
  BatchSize: orderer.BatchSizeSchema,
  BatchTimeout: orderer.BatchTimeoutSchema,
  BlockDataHashingStructure: common.BlockDataHashingStructureSchema,
  Capabilities: common.CapabilitiesSchema,
  ChannelRestrictions: orderer.ChannelRestrictionsSchema,
  ConsensusType: orderer.ConsensusTypeSchema,
  Consortium: common.ConsortiumSchema,
  Endpoints: common.OrdererAddressesSchema,
  HashingAlgorithm: common.HashingAlgorithmSchema,
  MSP: msp.MSPConfigSchema,
  OrdererAddresses: common.OrdererAddressesSchema,
  Orderers: common.OrderersSchema,
}

export interface Part {
  readonly schema: DescMessage
  readonly bytes: Uint8Array
}

/**
 * Decodes a message and everything encoded inside it. `json` is what configtxlator prints, `parts`
 * are all the encodings met on the way, and `again` is how each of them encodes.
 */
export function unpack(
  schema: DescMessage,
  bytes: Uint8Array,
): { json: unknown; parts: Part[]; again: Buffer[] } {
  const parts: Part[] = []
  const again: Buffer[] = []
  const json = decoded(schema, bytes, { headerType: 0, key: '' })
  return { json, parts, again }

  function decoded(type: DescMessage, encoded: Uint8Array, around: Around): unknown {
    const message = decode(type, encoded)
    parts.push({ schema: type, bytes: encoded })
    again.push(encode(type, message))
    return printed(type, message, around)
  }

  function printed(type: DescMessage, message: Message, around: Around): unknown {
    const context = contextOf(type, message, around)
    if (type.typeName === 'google.protobuf.Timestamp') return toJson(type, message)
    const record = message as unknown as Record<string, unknown>
    const result = toJson(type, message, {
      useProtoFieldName: true,
      alwaysEmitImplicit: true,
    }) as Record<string, unknown>
    for (const field of type.fields) {
      const value = field.oneof
        ? (record[field.oneof.localName] as { case?: string; value?: unknown })
        : { case: field.localName, value: record[field.localName] }
      if (value.case !== field.localName || value.value === undefined) continue
      const known = inside[`${type.typeName}.${field.name}`]
      const inner = typeof known === 'function' ? known(message as never, context) : known
      const show = (element: unknown, key = context.key): unknown => {
        if (inner)
          return (element as Uint8Array).length === 0
            ? null
            : decoded(inner, element as Uint8Array, context)
        return printed(field.message!, element as Message, { ...context, key })
      }
      if (!inner && !field.message) continue
      if (field.fieldKind === 'list')
        result[field.name] = (value.value as unknown[]).map((element) => show(element))
      else if (field.fieldKind === 'map') {
        const entries = Object.entries(value.value as object)
        result[field.name] = Object.fromEntries(
          entries.map(([key, element]) => [key, show(element, key)]),
        )
      } else result[field.name] = show(value.value)
    }
    return result
  }
}

function contextOf(type: DescMessage, message: Message, around: Around): Around {
  if (type.typeName !== 'common.Payload') return around
  const { header } = message as common.Payload
  if (!header) return around
  return { ...around, headerType: decode(common.ChannelHeaderSchema, header.channelHeader).type }
}

/** Without what is empty: configtxlator prints absent messages and some empty bytes as null. */
export function compact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((element) => compact(element))
  if (typeof value !== 'object' || value === null) return value ?? ''
  const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== '')
  return Object.fromEntries(entries.map(([key, inner]) => [key, compact(inner)]))
}
