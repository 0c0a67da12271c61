import { common, decode, encode } from '@heddle/proto'

/** The layers of the transaction of a configuration block. */
export interface ConfigLayers {
  readonly payload: common.Payload
  readonly channelHeader: common.ChannelHeader
  readonly envelope: common.ConfigEnvelope
  readonly channel: common.ConfigGroup
  readonly orderer: common.ConfigGroup
}

/** A configuration block that differs from `block` as `change` says; nothing else fits it any more. */
export function changedConfig(
  block: common.Block,
  change: (layers: ConfigLayers) => unknown,
): common.Block {
  const copy = decode(common.BlockSchema, encode(common.BlockSchema, block))
  const transaction = decode(common.EnvelopeSchema, copy.data!.data[0]!)
  const payload = decode(common.PayloadSchema, transaction.payload)
  const channelHeader = decode(common.ChannelHeaderSchema, payload.header!.channelHeader)
  const envelope = decode(common.ConfigEnvelopeSchema, payload.data)
  const channel = envelope.config!.channelGroup!
  payload.data = new Uint8Array()
  change({ payload, channelHeader, envelope, channel, orderer: channel.groups['Orderer']! })
  if (payload.header) {
    payload.header.channelHeader = encode(common.ChannelHeaderSchema, channelHeader)
  }
  if (payload.data.length === 0) payload.data = encode(common.ConfigEnvelopeSchema, envelope)
  transaction.payload = encode(common.PayloadSchema, payload)
  copy.data!.data[0] = encode(common.EnvelopeSchema, transaction)
  return copy
}
