import { pbft } from '@heddle/proto'
import type { JournalRecord } from '../core/protocol.ts'
import { decodeAs, proofFromProto, saidFromProto, voteFromProto } from './codec.ts'
import { MalformedError } from '../errors.ts'
import { openCheckpoint, openNewView, openViewChange } from './opening.ts'
import { RequestBatch } from './request-batch.ts'

/**
 * Decodes one entry. Signatures are not verified again: the journal is this replica's own.
 *
 * @throws {MalformedError} PBFT_MALFORMED
 */
export function decodeRecord(bytes: Uint8Array): JournalRecord {
  const { entry } = decodeAs(pbft.RecordSchema, bytes)
  switch (entry.case) {
    case 'prePrepared':
      return prePreparedFromProto(entry.value)
    case 'prepared':
      return { type: 'prepared', ...voteFromProto(entry.value) }
    case 'viewChange':
      return { type: 'view-change', viewChange: openViewChange(proofFromProto(entry.value)) }
    case 'newView':
      return { type: 'new-view', newView: openNewView(proofFromProto(entry.value)) }
    case 'checkpoint':
      return { type: 'checkpoint', checkpoint: openCheckpoint(proofFromProto(entry.value)) }
    case 'stable':
      return stableFromProto(entry.value)
    case 'amnesia':
      return amnesiaFromProto(entry.value)
    case 'heard':
      return { type: 'heard', heard: entry.value.byReplica.map(saidFromProto) }
    case 'head':
    case undefined:
      throw new MalformedError('a journal entry of no known kind')
  }
}

function prePreparedFromProto({ view, sequence, batch }: pbft.PrePrepare): JournalRecord {
  const requests = (batch?.requests ?? []).map((r) => Uint8Array.prototype.slice.call(r))
  return { type: 'pre-prepared', view, sequence, batch: RequestBatch.of(requests) }
}

function stableFromProto(certificate: pbft.CheckpointCertificate): JournalRecord {
  const checkpoints = certificate.checkpoints.map((c) => openCheckpoint(proofFromProto(c)))
  return { type: 'stable', certificate: { type: 'certificate', checkpoints } }
}

function amnesiaFromProto({ until, votesFrom, over }: pbft.Amnesia): JournalRecord {
  return { type: 'amnesia', until: until === 0n ? undefined : until, votesFrom, over }
}
