import { type Received, common, decode, receive } from '@heddle/proto'
import { OrdererError } from './errors.ts'
import type { SignedData } from './ports.ts'

/** An envelope whose headers were decoded; nothing in it is verified yet. */
export interface SignedRequest {
  readonly envelope: Received<common.Envelope>
  readonly channelHeader: common.ChannelHeader
  readonly signed: SignedData
  /** `Payload.data`: what the request is about. */
  readonly data: Uint8Array
}

/**
 * Decodes an envelope down to its headers.
 *
 * @param bytes - an encoded `common.Envelope`, as received
 * @throws {OrdererError} ORDERER_BAD_REQUEST with what is missing or malformed
 */
export function decodeRequest(bytes: Uint8Array): SignedRequest {
  try {
    const envelope = receive(common.EnvelopeSchema, bytes)
    const { payload: data, signature } = envelope.message
    if (data.length === 0) throw badRequest('message payload is empty')
    const payload = decode(common.PayloadSchema, data)
    if (!payload.header) throw badRequest('envelope has no header')
    const channelHeader = decode(common.ChannelHeaderSchema, payload.header.channelHeader)
    const { creator } = decode(common.SignatureHeaderSchema, payload.header.signatureHeader)
    return {
      envelope,
      channelHeader,
      signed: { identity: creator, data, signature },
      data: payload.data,
    }
  } catch (error) {
    if (error instanceof OrdererError) throw error
    throw badRequest('malformed envelope', error)
  }
}

/** The error for a request that can never succeed as it is. */
export function badRequest(message: string, cause?: unknown): OrdererError {
  return new OrdererError('ORDERER_BAD_REQUEST', message, { cause })
}
