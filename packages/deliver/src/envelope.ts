import { createHash } from 'node:crypto'
import type { Clock } from '@heddle/interface'
import { common, create, encode, orderer, timestampFromDate } from '@heddle/proto'
import { DeliverError } from './errors.ts'
import { freshNonce } from './nonce.ts'
import type { EnvelopeSigner } from './ports.ts'

/** What to sign; see {@link signedEnvelope}. */
export interface EnvelopeContent {
  readonly channelId: string
  readonly type: common.HeaderType
  /** `Payload.data`. */
  readonly data: Uint8Array
  readonly signer: EnvelopeSigner
  /** Gives the timestamp, in whole seconds as Fabric's clients do. */
  readonly clock: Clock
  /** 24 random bytes by default. The same nonce and signer give the same transaction id. */
  readonly nonce?: Uint8Array
  /** Whether the header names the transaction id. Default true; a seek request has none. */
  readonly withTxId?: boolean
  /** `ChannelHeader.extension`. */
  readonly extension?: Uint8Array
  /** SHA-256 of the DER of the client's TLS certificate, for services that ask for it. */
  readonly tlsCertHash?: Uint8Array
}

/** An envelope that is ready to be sent, and to be sent again. */
export interface SignedEnvelope {
  /** Encoded `common.Envelope`. */
  readonly bytes: Uint8Array
  /** Lower-case hex of SHA-256(nonce ‖ creator); see {@link transactionId}. */
  readonly txId: string
}

/**
 * Fabric's id of a transaction: lower-case hex of SHA-256(nonce ‖ creator).
 *
 * @see fabric v3.1.5 protoutil/proputils.go (ComputeTxID)
 */
export function transactionId(nonce: Uint8Array, creator: Uint8Array): string {
  return createHash('sha256').update(nonce).update(creator).digest('hex')
}

/**
 * A service would answer FORBIDDEN, without a word about why: so it is said here. Only the end counts:
 * one that is not valid yet may sign.
 *
 * @see fabric v3.1.5 orderer/common/msgprocessor/expiration.go
 */
function checkSigner({ subject, expiresAt }: EnvelopeSigner, wallTime: number): void {
  const now = new Date(wallTime)
  const whose = `the signer's own certificate ${JSON.stringify(subject ?? '')}`
  const clock = `this machine's clock says ${now.toISOString()}`
  if (expiresAt === undefined || now <= expiresAt) return
  const message = `${whose} expired at ${expiresAt.toISOString()}: enroll again (${clock})`
  throw new DeliverError('DELIVER_SIGNER_NOT_VALID', message)
}

/**
 * Makes and signs an envelope.
 *
 * Keep its bytes to send it again: they are its identity, so a service executes it once. Rejects with
 * what the signer rejects with.
 *
 * @throws {DeliverError} DELIVER_SIGNER_NOT_VALID when the signer's certificate has expired by `clock`
 * @see fabric v3.1.5 protoutil/txutils.go (CreateSignedEnvelopeWithTLSBinding)
 */
export async function signedEnvelope(content: EnvelopeContent): Promise<SignedEnvelope> {
  const { signer, nonce = freshNonce(), clock, withTxId = true } = content
  checkSigner(signer, clock.wallTime())
  const txId = transactionId(nonce, signer.serialized)
  const wholeSeconds = Math.floor(clock.wallTime() / 1000) * 1000
  const channelHeader = create(common.ChannelHeaderSchema, {
    type: content.type,
    timestamp: timestampFromDate(new Date(wholeSeconds)),
    channelId: content.channelId,
    txId: withTxId ? txId : '',
    extension: content.extension ?? new Uint8Array(0),
    tlsCertHash: content.tlsCertHash ?? new Uint8Array(0),
  })
  const signatureHeader = create(common.SignatureHeaderSchema, {
    creator: signer.serialized,
    nonce,
  })
  const header = {
    channelHeader: encode(common.ChannelHeaderSchema, channelHeader),
    signatureHeader: encode(common.SignatureHeaderSchema, signatureHeader),
  }
  const payload = encode(
    common.PayloadSchema,
    create(common.PayloadSchema, { header, data: content.data }),
  )
  const signature = await signer.sign(payload)
  const envelope = create(common.EnvelopeSchema, { payload, signature })
  return { bytes: encode(common.EnvelopeSchema, envelope), txId }
}

/** The last number there is: a request up to it never ends. */
export const lastBlockNumber = 0xffff_ffff_ffff_ffffn

/** A place in a channel: a block's number, or one that the service finds. */
export type SeekPosition = bigint | 'oldest' | 'newest' | 'nextCommit'

/** Which blocks to ask for; see {@link seekEnvelope}. */
export interface SeekRequest {
  readonly channelId: string
  readonly signer: EnvelopeSigner
  readonly clock: Clock
  /** The first block; a number is 0 to {@link lastBlockNumber}. */
  readonly start: SeekPosition
  /** Default: {@link lastBlockNumber}, for a stream without end. */
  readonly stop?: SeekPosition
  /** Default BLOCK_UNTIL_READY: wait for blocks that are not there yet. */
  readonly behavior?: orderer.SeekInfo_SeekBehavior
  /** Default BLOCK; HEADER_WITH_SIG leaves the transactions out. */
  readonly contentType?: orderer.SeekInfo_SeekContentType
  /** Default STRICT; BEST_EFFORT also reads from a service that cannot order. */
  readonly errorResponse?: orderer.SeekInfo_SeekErrorResponse
  /** {@link tlsCertificateHash} of the client's certificate; services with mutual TLS demand it. */
  readonly tlsCertHash?: Uint8Array
}

/**
 * Makes and signs a request for blocks: an encoded `common.Envelope` with an `orderer.SeekInfo`. Rejects
 * as {@link signedEnvelope} does.
 *
 * @see fabric v3.1.5 orderer/ab.proto (SeekInfo)
 */
export async function seekEnvelope(request: SeekRequest): Promise<Uint8Array> {
  const { start, stop = lastBlockNumber, behavior, contentType, errorResponse } = request
  const info = create(orderer.SeekInfoSchema, {
    start: positionOf(start),
    stop: positionOf(stop),
    ...(behavior !== undefined && { behavior }),
    ...(contentType !== undefined && { contentType }),
    ...(errorResponse !== undefined && { errorResponse }),
  })
  const { bytes } = await signedEnvelope({
    ...request,
    type: common.HeaderType.DELIVER_SEEK_INFO,
    data: encode(orderer.SeekInfoSchema, info),
    withTxId: false,
  })
  return bytes
}

function positionOf(position: SeekPosition): orderer.SeekPosition {
  const { SeekPositionSchema: schema } = orderer
  if (typeof position === 'bigint') {
    return create(schema, { Type: { case: 'specified', value: { number: position } } })
  }
  return create(schema, { Type: { case: position, value: {} } })
}
