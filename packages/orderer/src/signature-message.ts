import { common, create, decode, encode, heddle } from '@heddle/proto'
import type { BlockSignature } from '@heddle/proto'
import { OrdererError } from './errors.ts'

/** Longest identifier header taken: an id of 5 bytes and a nonce of 24 need 33. */
export const maxIdentifierHeaderBytes = 128
/** Longest signature taken: a P-256 signature in DER needs 72. */
export const maxSignatureBytes = 256

/** Most bytes of a message beside its signatures, the channel's name of 249 among them. */
const maxHeadBytes = 512
/** Most bytes around the two fields of a signature. */
const maxFramingBytes = 16

const { BlockSignatures_Purpose: Purpose } = heddle

/** The wire may carry any number. */
const known = new Set<number>([Purpose.SHARE, Purpose.REQUEST, Purpose.ANSWER])

/** A signature and the consenter whose it claims to be. */
export interface ClaimedSignature extends BlockSignature {
  readonly id: number
}

/** A message of the signature collectors, its form checked but no signature yet. */
export interface SignatureMessage {
  readonly number: bigint
  readonly purpose: heddle.BlockSignatures_Purpose
  readonly signatures: readonly ClaimedSignature[]
}

/** Encodes what a collector sends. */
export function encodeSignatureMessage(
  channelId: string,
  number: bigint,
  purpose: heddle.BlockSignatures_Purpose,
  signatures: readonly BlockSignature[],
): Uint8Array {
  const message = create(heddle.BlockSignaturesSchema, {
    channelId,
    number,
    purpose,
    signatures: signatures.map(({ identifierHeader, signature }) => ({
      identifierHeader,
      signature,
    })),
  })
  return encode(heddle.BlockSignaturesSchema, message)
}

/**
 * Decodes what a consenter sent and checks its form.
 *
 * @param from - the authenticated sender; SHARE and REQUEST carry exactly its own signature
 * @param maxSignatures - how many an ANSWER may carry: the number of consenters
 * @throws {OrdererError} ORDERER_BAD_REQUEST, or `ProtoMalformedError`
 */
export function decodeSignatureMessage(
  bytes: Uint8Array,
  expected: { channelId: string; from: number; maxSignatures: number },
): SignatureMessage {
  const maxBytes = maxIdentifierHeaderBytes + maxSignatureBytes + maxFramingBytes
  // Before it is decoded: many empty signatures take little room on the wire and much in memory.
  if (bytes.length > maxHeadBytes + expected.maxSignatures * maxBytes)
    throw malformed('too many bytes')
  const message = decode(heddle.BlockSignaturesSchema, bytes)
  const { number, purpose } = message
  if (message.channelId !== expected.channelId) throw malformed('another channel')
  const answer = purpose === Purpose.ANSWER
  if (!known.has(purpose)) {
    throw malformed('an unknown purpose')
  }
  const most = answer ? expected.maxSignatures : 1
  if (message.signatures.length === 0 || message.signatures.length > most) {
    throw malformed('a wrong number of signatures')
  }
  const signatures = message.signatures.map(claimed)
  if (!answer && signatures[0]?.id !== expected.from)
    throw malformed('a signature of another consenter')
  return { number, purpose, signatures }
}

function claimed({ identifierHeader, signature }: heddle.BlockSignature): ClaimedSignature {
  if (identifierHeader.length === 0 || identifierHeader.length > maxIdentifierHeaderBytes) {
    throw malformed('an identifier header of unlikely length')
  }
  if (signature.length === 0 || signature.length > maxSignatureBytes) {
    throw malformed('a signature of unlikely length')
  }
  // The window keeps these for long: copies, so that the message they came in can go.
  return {
    id: decode(common.IdentifierHeaderSchema, identifierHeader).identifier,
    identifierHeader: Uint8Array.prototype.slice.call(identifierHeader),
    signature: Uint8Array.prototype.slice.call(signature),
  }
}

function malformed(what: string): OrdererError {
  return new OrdererError('ORDERER_BAD_REQUEST', `a block signature message with ${what}`)
}
