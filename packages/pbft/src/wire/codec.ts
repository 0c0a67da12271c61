import { create, decode, encode, pbft } from '@heddle/proto'
import type { DescMessage, MessageShape } from '@heddle/proto'
import type {
  Batch,
  CheckpointStatement,
  Claim,
  Message,
  NewViewStatement,
  Proof,
  Said,
  Status,
  Statement,
  ViewChangeStatement,
  Vote,
} from '../core/messages.ts'
import { maxClaims } from '../core/state.ts'
import { MalformedError } from '../errors.ts'
import { maxReplicas } from '../options.ts'
import type { MessageKind, MessageLimits } from './message-limits.ts'
import { StrictReader } from './strict-reader.ts'
import { decodeVote } from './vote-codec.ts'

/** Bytes of a SHA-256. */
const digestBytes = 32
/** Most bytes of a state digest. */
const maxStateDigestBytes = 64

/** A message off the wire: what needs no further look is a {@link Message} of the core already. */
export type Incoming =
  | { readonly type: 'plain'; readonly message: Message }
  | {
      readonly type: 'pre-prepare'
      readonly view: bigint
      readonly sequence: bigint
      readonly requests: readonly Uint8Array[]
    }
  | { readonly type: 'signed'; readonly kind: Statement['type']; readonly proof: Proof }
  | { readonly type: 'certificate'; readonly proofs: readonly Proof[] }
  | { readonly type: 'batch'; readonly requests: readonly Uint8Array[] }
  | { readonly type: 'forward'; readonly request: Uint8Array }

/** The fields of `heddle.pbft.Message`, by their tags: all are length-delimited. */
const kindOfTag: Readonly<Record<number, MessageKind>> = {
  ...{ 0x0a: 'prePrepare', 0x12: 'prepare', 0x1a: 'commit', 0x22: 'checkpoint' },
  ...{ 0x2a: 'viewChange', 0x32: 'newView', 0x3a: 'status', 0x42: 'fetchBatch' },
  ...{ 0x4a: 'batch', 0x52: 'forward', 0x5a: 'certificate' },
}
/** Tags inside of a pre-prepare and of a batch. */
const tags = { view: 0x08, sequence: 0x10, batch: 0x1a, request: 0x0a } as const

/**
 * Decodes one message. Bytes fields are views of `bytes`.
 *
 * @param limits - what is larger is refused before it costs anything; default: no limits
 * @throws {MalformedError} PBFT_MALFORMED
 */
export function decodeMessage(bytes: Buffer, limits?: MessageLimits): Incoming {
  const vote = decodeVote(bytes)
  if (vote !== undefined) return { type: 'plain', message: vote }
  const tag = bytes[0] ?? 0
  const kind = kindOfTag[tag]
  if (kind === undefined) throw new MalformedError('a message of no known kind')
  const reader = new StrictReader(bytes)
  const content = reader.chunk(tag) ?? Buffer.alloc(0)
  reader.end()
  if (limits !== undefined && content.length > limits.bytes[kind])
    throw new MalformedError(`a ${kind} of ${content.length} bytes`)
  switch (kind) {
    case 'prePrepare':
      return decodePrePrepare(content, limits?.requests)
    case 'batch':
      return { type: 'batch', requests: decodeBatch(content, limits?.requests) }
    case 'forward':
      return { type: 'forward', request: content }
    default:
      return decodeOther(bytes)
  }
}

function decodePrePrepare(content: Buffer, maxRequests?: number): Incoming {
  const reader = new StrictReader(content)
  const view = reader.number(tags.view)
  const sequence = reader.number(tags.sequence)
  const batch = reader.chunk(tags.batch) ?? Buffer.alloc(0)
  reader.end()
  return { type: 'pre-prepare', view, sequence, requests: decodeBatch(batch, maxRequests) }
}

function decodeBatch(content: Buffer, maxRequests = Infinity): Uint8Array[] {
  const reader = new StrictReader(content)
  const requests: Uint8Array[] = []
  for (
    let next = reader.chunk(tags.request);
    next !== undefined;
    next = reader.chunk(tags.request)
  ) {
    if (requests.length >= maxRequests) throw new MalformedError('more requests than batchSize')
    requests.push(next)
  }
  reader.end()
  return requests
}

function decodeOther(bytes: Buffer): Incoming {
  const { payload } = decodeAs(pbft.MessageSchema, bytes)
  switch (payload.case) {
    case 'certificate':
      return { type: 'certificate', proofs: payload.value.checkpoints.map(proofFromProto) }
    case 'checkpoint':
    case 'viewChange':
    case 'newView':
      return { type: 'signed', kind: kinds[payload.case], proof: proofFromProto(payload.value) }
    case 'prepare':
    case 'commit':
    case 'status':
    case 'fetchBatch':
      return { type: 'plain', message: plainMessage(payload) }
    default:
      throw new MalformedError('a message of no known kind')
  }
}

const kinds = {
  checkpoint: 'checkpoint',
  viewChange: 'view-change',
  newView: 'new-view',
} as const

function plainMessage(
  payload: Extract<
    pbft.Message['payload'],
    { case: 'prepare' | 'commit' | 'status' | 'fetchBatch' }
  >,
): Message {
  if (payload.case === 'status') return statusFromProto(payload.value)
  if (payload.case !== 'fetchBatch') return { type: payload.case, ...voteFromProto(payload.value) }
  const { sequence, digest } = payload.value
  return { type: 'fetch-batch', sequence, digest: digestToHex(digest) }
}

/** The bytes that the signature of a statement covers. */
export function encodeStatement(statement: Statement): Buffer {
  switch (statement.type) {
    case 'checkpoint': {
      const { sequence, replica } = statement
      const init = { sequence, replica, digest: fromHex(statement.digest) }
      return encode(pbft.CheckpointSchema, create(pbft.CheckpointSchema, init))
    }
    case 'view-change': {
      const { view, replica, lowWatermark } = statement
      const message = create(pbft.ViewChangeSchema, { view, replica, lowWatermark })
      message.stable = certificateToProto(statement.stable)
      message.prepared = statement.prepared.map(claimToProto)
      message.prePrepared = statement.prePrepared.map(claimToProto)
      return encode(pbft.ViewChangeSchema, message)
    }
    case 'new-view': {
      const viewChanges = statement.viewChanges.map((vc) => proofToProto(vc.proof))
      return encode(
        pbft.NewViewSchema,
        create(pbft.NewViewSchema, { view: statement.view, viewChanges }),
      )
    }
  }
}

/**
 * The content of a checkpoint's signed bytes.
 *
 * @throws {MalformedError} PBFT_MALFORMED
 */
export function decodeCheckpoint(body: Uint8Array): CheckpointStatement {
  const { sequence, digest, replica } = decodeAs(pbft.CheckpointSchema, body)
  return { type: 'checkpoint', sequence, digest: stateDigestToHex(digest), replica }
}

/** As {@link decodeCheckpoint}, with the proofs of its stable checkpoint still to be opened. */
export function decodeViewChange(
  body: Uint8Array,
): Omit<ViewChangeStatement, 'stable'> & { readonly stable: readonly Proof[] } {
  const message = decodeAs(pbft.ViewChangeSchema, body)
  const { view, replica, lowWatermark } = message
  return {
    ...{ type: 'view-change', view, replica, lowWatermark },
    stable: (message.stable?.checkpoints ?? []).map(proofFromProto),
    prepared: message.prepared.map(voteFromProto),
    prePrepared: message.prePrepared.map(voteFromProto),
  }
}

/** As {@link decodeCheckpoint}, with the view-changes still to be opened. */
export function decodeNewView(
  body: Uint8Array,
): Omit<NewViewStatement, 'viewChanges'> & { readonly viewChanges: readonly Proof[] } {
  const { view, viewChanges } = decodeAs(pbft.NewViewSchema, body)
  return { type: 'new-view', view, viewChanges: viewChanges.map(proofFromProto) }
}

/** Decodes anything; bytes that are none become a {@link MalformedError}. */
export function decodeAs<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): MessageShape<Desc> {
  try {
    return decode(schema, bytes)
  } catch (error) {
    throw new MalformedError(`not a ${schema.typeName}`, { cause: error })
  }
}

export function prePrepareToProto(message: {
  readonly view: bigint
  readonly sequence: bigint
  readonly batch: Batch
}): pbft.PrePrepare {
  const { view, sequence } = message
  return create(pbft.PrePrepareSchema, { view, sequence, batch: batchToProto(message.batch) })
}

export function batchToProto(batch: Batch): pbft.Batch {
  return create(pbft.BatchSchema, { requests: [...batch.requests] })
}

function claimToProto({ view, sequence, digest }: Claim): pbft.Claim {
  return create(pbft.ClaimSchema, { view, sequence, digest: fromHex(digest) })
}

/** A vote or a claim: they have the same content. */
export function voteFromProto(vote: pbft.Vote | pbft.Claim): Vote {
  return { view: vote.view, sequence: vote.sequence, digest: digestToHex(vote.digest) }
}

export function proofToProto({ body, signature }: Proof): pbft.Signed {
  return create(pbft.SignedSchema, { body, signature })
}

/** Copies: proofs are kept long after the buffer that they came in. */
export function proofFromProto({ body, signature }: pbft.Signed): Proof {
  return {
    body: Uint8Array.prototype.slice.call(body),
    signature: Uint8Array.prototype.slice.call(signature),
  }
}

export function certificateToProto(
  checkpoints: readonly { readonly proof: Proof }[],
): pbft.CheckpointCertificate {
  return create(pbft.CheckpointCertificateSchema, {
    checkpoints: checkpoints.map((c) => proofToProto(c.proof)),
  })
}

export function statusToProto(status: Status): pbft.Status {
  const { view, active, lastExecuted, lowWatermark } = status
  return create(pbft.StatusSchema, {
    ...{ view, active, lastExecuted, lowWatermark },
    viewChanges: [...status.viewChanges],
    slots: status.slots.map((slot) => create(pbft.SlotSchema, slot)),
    digests: status.digests.map(fromHex),
    ...{ query: status.query, reply: status.reply, echo: status.echo },
    heard: status.heard.map((said) => create(pbft.SaidSchema, said)),
    acceptsLoss: status.acceptsLoss,
  })
}

function statusFromProto(status: pbft.Status): Status {
  const { view, active, lastExecuted, lowWatermark, viewChanges, query, reply } = status
  const slots = status.slots.map(({ prePrepared, prepared, committed }) => ({
    ...{ prePrepared, prepared, committed },
  }))
  if (status.digests.length > maxClaims)
    throw new MalformedError(`a status with ${status.digests.length} digests`)
  if (status.heard.length > maxReplicas)
    throw new MalformedError(`a status that heard ${status.heard.length} replicas`)
  const digests = status.digests.map(stateDigestToHex)
  const { echo, acceptsLoss } = status
  return {
    type: 'status',
    ...{ view, active, lastExecuted, lowWatermark, viewChanges, slots, digests },
    ...{ query, reply, echo, acceptsLoss, heard: status.heard.map(saidFromProto) },
  }
}

export function saidFromProto({ view, accepted, committed }: pbft.Said): Said {
  return { view, accepted, committed }
}

function digestToHex(digest: Uint8Array): string {
  if (digest.length !== digestBytes) throw new MalformedError(`a digest of ${digest.length} bytes`)
  return toHex(digest)
}

function stateDigestToHex(digest: Uint8Array): string {
  if (digest.length === 0 || digest.length > maxStateDigestBytes)
    throw new MalformedError(`a state digest of ${digest.length} bytes`)
  return toHex(digest)
}

/** Lower-case hex of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** The bytes of lower-case hex. */
export function fromHex(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}
