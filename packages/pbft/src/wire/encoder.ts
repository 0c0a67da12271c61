import { create, encode, pbft } from '@heddle/proto'
import {
  batchToProto,
  certificateToProto,
  fromHex,
  prePrepareToProto,
  proofToProto,
  statusToProto,
} from './codec.ts'
import type { Message, PrePrepare } from '../core/messages.ts'
import type { JournalRecord } from '../core/protocol.ts'
import { RequestBatch } from './request-batch.ts'
import { encodeVote } from './vote-codec.ts'

type Payload = pbft.Message['payload']
type Assignment = Pick<PrePrepare, 'view' | 'sequence' | 'batch'>

/**
 * Encodes messages and journal entries. A pre-prepare, which is large, has the same bytes as the
 * journal entry about it, and comes in as it would go out: it is encoded once or not at all.
 */
export class Encoder {
  /** These bytes are the pre-prepare of this batch. */
  remember({ view, sequence, batch }: Assignment, bytes: Uint8Array): void {
    if (batch instanceof RequestBatch) batch.assignment = { view, sequence, bytes }
  }

  message(message: Message): Uint8Array {
    if (message.type === 'pre-prepare') return this.#assignment(message)
    if (message.type === 'prepare' || message.type === 'commit')
      return encodeVote(message.type, message)
    return encodeAs(payloadOf(message))
  }

  record(record: JournalRecord): Uint8Array {
    if (record.type === 'pre-prepared') return this.#assignment(record)
    // Both are the second field of their message, and of one type.
    if (record.type === 'prepared') return encodeVote('prepare', record)
    const message = create(pbft.RecordSchema, { entry: entryOf(record) })
    return encode(pbft.RecordSchema, message)
  }

  #assignment(assignment: Assignment): Uint8Array {
    const { view, sequence, batch } = assignment
    const known = batch instanceof RequestBatch ? batch.assignment : undefined
    if (known?.view === view && known.sequence === sequence) return known.bytes
    const bytes = encodeAs({ case: 'prePrepare', value: prePrepareToProto(assignment) })
    this.remember(assignment, bytes)
    return bytes
  }
}

/** Encodes a request on its way to be ordered. */
export function encodeForward(request: Uint8Array): Buffer {
  return encodeAs({ case: 'forward', value: request })
}

function encodeAs(payload: Payload): Buffer {
  return encode(pbft.MessageSchema, create(pbft.MessageSchema, { payload }))
}

function payloadOf(
  message: Exclude<Message, { type: 'pre-prepare' | 'prepare' | 'commit' }>,
): Payload {
  switch (message.type) {
    case 'checkpoint':
      return { case: 'checkpoint', value: proofToProto(message.proof) }
    case 'view-change':
      return { case: 'viewChange', value: proofToProto(message.proof) }
    case 'new-view':
      return { case: 'newView', value: proofToProto(message.proof) }
    case 'status':
      return { case: 'status', value: statusToProto(message) }
    case 'fetch-batch': {
      const { sequence } = message
      const value = create(pbft.FetchBatchSchema, { sequence, digest: fromHex(message.digest) })
      return { case: 'fetchBatch', value }
    }
    case 'batch':
      return { case: 'batch', value: batchToProto(message.batch) }
    case 'certificate':
      return { case: 'certificate', value: certificateToProto(message.checkpoints) }
  }
}

type RareRecord = Exclude<JournalRecord, { type: 'pre-prepared' | 'prepared' }>

function entryOf(record: RareRecord): pbft.Record['entry'] {
  switch (record.type) {
    case 'view-change':
      return { case: 'viewChange', value: proofToProto(record.viewChange.proof) }
    case 'new-view':
      return { case: 'newView', value: proofToProto(record.newView.proof) }
    case 'checkpoint':
      return { case: 'checkpoint', value: proofToProto(record.checkpoint.proof) }
    case 'stable':
      return { case: 'stable', value: certificateToProto(record.certificate.checkpoints) }
    case 'heard': {
      const byReplica = record.heard.map((said) => create(pbft.SaidSchema, said))
      return { case: 'heard', value: create(pbft.HeardSchema, { byReplica }) }
    }
    case 'amnesia': {
      const { until = 0n, votesFrom, over } = record
      return { case: 'amnesia', value: create(pbft.AmnesiaSchema, { until, votesFrom, over }) }
    }
  }
}
