import { create, decode, encode, gossip, receive } from '@heddle/proto'
import { decodeDataEnvelope, encodeDataEnvelope } from './data-message.ts'
import type { DecodedFrame } from './decoded-frame.ts'
import { CommError, reasonOf } from '../errors.ts'

/** An envelope ready for the wire: encoded once, sent to many. */
export class EncodedMessage {
  /** The whole `gossip.Envelope`. */
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
}

/**
 * Encodes `message` into an envelope without signature: the connection it travels on is
 * authenticated. Worth calling when the same message goes to several peers one after the other.
 *
 * @throws {ProtoInvalidMessageError} PROTO_INVALID_MESSAGE for a value that its field cannot carry
 */
export function encodeMessage(message: gossip.GossipMessage): EncodedMessage {
  const plain = encodeDataEnvelope(message)
  if (plain !== undefined) return new EncodedMessage(plain)
  const payload = encode(gossip.GossipMessageSchema, message)
  return new EncodedMessage(
    encode(gossip.EnvelopeSchema, create(gossip.EnvelopeSchema, { payload })),
  )
}

/**
 * Encodes `message` and signs exactly the bytes of its payload, for messages that others pass on.
 *
 * @param sign - what it throws, goes to the caller
 * @param secret - goes along as it is; it carries its own signature
 * @throws {ProtoInvalidMessageError} PROTO_INVALID_MESSAGE for a value that its field cannot carry
 * @see fabric v3.1 gossip/protoext/signing.go
 */
export function signMessage(
  message: gossip.GossipMessage,
  sign: (payload: Uint8Array) => Uint8Array,
  secret?: gossip.SecretEnvelope,
): EncodedMessage {
  const payload = encode(gossip.GossipMessageSchema, message)
  const envelope = create(gossip.EnvelopeSchema, { payload, signature: sign(payload) })
  if (secret !== undefined) envelope.secretEnvelope = secret
  return new EncodedMessage(encode(gossip.EnvelopeSchema, envelope))
}

/**
 * Checks the signature of an envelope, and that of its secret if it has one, over the bytes as they
 * came.
 *
 * @param verify - throws when the signature is not the sender's
 * @throws {CommError} COMM_BAD_SIGNATURE when payload or signature are missing; else what `verify` throws
 */
export function verifyEnvelope(
  envelope: gossip.Envelope,
  verify: (signature: Uint8Array, payload: Uint8Array) => void,
): void {
  if (envelope.payload.length === 0) throw new CommError('COMM_BAD_SIGNATURE', 'Empty payload')
  if (envelope.signature.length === 0) throw new CommError('COMM_BAD_SIGNATURE', 'Empty signature')
  verify(envelope.signature, envelope.payload)
  const secret = envelope.secretEnvelope
  if (secret !== undefined) verify(secret.signature, secret.payload)
}

/**
 * Decodes one frame of a gossip stream; an empty payload is an empty message.
 * @throws {CommError} COMM_MALFORMED_MESSAGE
 */
export function decodeFrame(bytes: Uint8Array): DecodedFrame {
  const plain = decodeDataEnvelope(bytes)
  if (plain !== undefined) return plain
  try {
    const envelope = receive(gossip.EnvelopeSchema, bytes)
    return { envelope, message: decode(gossip.GossipMessageSchema, envelope.message.payload) }
  } catch (cause) {
    const reason = reasonOf(cause)
    throw new CommError(
      'COMM_MALFORMED_MESSAGE',
      `Failed unmarshalling GossipMessage from envelope: ${reason}`,
      { cause },
    )
  }
}
