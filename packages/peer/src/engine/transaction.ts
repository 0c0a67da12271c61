import { transactionId } from '@heddle/deliver'
import { common, decode, heddle, timestampDate } from '@heddle/proto'
import { PeerError, messageOf } from '../errors.ts'

/** Type of the envelopes of transactions: signed, opaque to Fabric. */
const messageType: number = common.HeaderType.MESSAGE

/** Longest nonce taken. */
const maxNonceBytes = 64

/** What an envelope of a transaction says; nothing is verified but its form. */
export interface TransactionFacts {
  readonly txId: string
  readonly channelId: string
  /** `msp.SerializedIdentity` bytes of who signed. */
  readonly creator: Uint8Array
  readonly signedAt: Date
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  readonly contract: string
  readonly input: Uint8Array
}

function refuse(what: string): never {
  throw new PeerError('PEER_INVALID_ENVELOPE', what, {
    cure: 'sign transactions with @heddle/peer',
  })
}

function headersOf(payload: common.Payload): {
  channel: common.ChannelHeader
  signer: common.SignatureHeader
} {
  if (payload.header === undefined) return refuse('the envelope has no header')
  return {
    channel: decode(common.ChannelHeaderSchema, payload.header.channelHeader),
    signer: decode(common.SignatureHeaderSchema, payload.header.signatureHeader),
  }
}

function readParts(bytes: Uint8Array): TransactionFacts {
  const envelope = decode(common.EnvelopeSchema, bytes)
  const payload = decode(common.PayloadSchema, envelope.payload)
  const { channel, signer } = headersOf(payload)
  if (channel.type !== messageType) refuse(`header type ${channel.type}`)
  if (signer.nonce.length === 0 || signer.nonce.length > maxNonceBytes) refuse('no usable nonce')
  const txId = transactionId(signer.nonce, signer.creator)
  if (channel.txId !== txId) refuse('the transaction id is not that of nonce and creator')
  if (channel.timestamp === undefined) return refuse('the envelope has no timestamp')
  const call = decode(heddle.TransactionSchema, payload.data)
  return {
    txId,
    channelId: channel.channelId,
    creator: signer.creator,
    signedAt: timestampDate(channel.timestamp),
    payload: envelope.payload,
    signature: envelope.signature,
    contract: call.contract,
    input: call.input,
  }
}

/**
 * Reads transactions out of the bytes of envelopes. A validator looks at the same bytes when it
 * takes, checks, orders and executes them: the facts are kept for as long as somebody holds the bytes.
 */
export class TransactionReader {
  readonly #facts = new WeakMap<Uint8Array, TransactionFacts>()

  /**
   * @param bytes - must not change afterwards
   * @throws {PeerError} PEER_INVALID_ENVELOPE for anything that is none; never anything else
   */
  read(bytes: Uint8Array): TransactionFacts {
    const known = this.#facts.get(bytes)
    if (known !== undefined) return known
    try {
      const facts = readParts(bytes)
      this.#facts.set(bytes, facts)
      return facts
    } catch (error) {
      if (error instanceof PeerError) throw error
      throw new PeerError('PEER_INVALID_ENVELOPE', messageOf(error), { cause: error })
    }
  }
}
