import { create, decode, encode, gossip, receive } from '@heddle/proto'
import type { Received } from '@heddle/proto'
import { CommError, reasonOf } from './errors.ts'

const payloadTag = 0x0a

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
 */
export function encodeMessage(message: gossip.GossipMessage): EncodedMessage {
  const payload = encode(gossip.GossipMessageSchema, message)
  if (payload.length === 0) return new EncodedMessage(Buffer.alloc(0))
  // An envelope with nothing but a payload is a tag, a length and the payload: written by hand,
  // because this runs for every message. test/unit/message.spec.ts holds it against the codec.
  const lengthBytes = varintLength(payload.length)
  const bytes = Buffer.allocUnsafe(1 + lengthBytes + payload.length)
  bytes[0] = payloadTag
  let rest = payload.length
  for (let at = 1; at < lengthBytes; at += 1) {
    bytes[at] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[lengthBytes] = rest
  payload.copy(bytes, 1 + lengthBytes)
  return new EncodedMessage(bytes)
}

function varintLength(value: number): number {
  let length = 1
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length += 1
  return length
}

/**
 * Encodes `message` and signs exactly the bytes of its payload, for messages that others pass on.
 *
 * @param secret - goes along as it is; it carries its own signature
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

/** A frame taken apart. */
export interface DecodedFrame {
  readonly envelope: Received<gossip.Envelope>
  readonly message: gossip.GossipMessage
}

/**
 * Decodes one frame of a gossip stream; an empty payload is an empty message.
 * @throws {CommError} COMM_MALFORMED_MESSAGE
 */
export function decodeFrame(bytes: Uint8Array): DecodedFrame {
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
