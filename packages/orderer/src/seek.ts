import type { orderer } from '@heddle/proto'
import { OrdererError } from './errors.ts'
import { badRequest } from './request.ts'

/** The range of blocks that a SeekInfo asks for. */
export interface SeekRange {
  readonly start: bigint
  /** The last block; 2^64 − 1 for a stream without end. */
  readonly stop: bigint
}

/**
 * Resolves the positions of a SeekInfo against a ledger of `height` blocks.
 *
 * `newest` is block height − 1 now, `next_commit` the block after it, `oldest` block 0; as a stop,
 * `oldest` is the start. A stop of `newest` or `next_commit` that lies before the start counts as
 * the start.
 *
 * @throws {OrdererError} ORDERER_BAD_REQUEST when a position is missing or a specified stop lies
 *   before the start; ORDERER_NOT_FOUND when the start lies beyond the next block
 * @see fabric v3.1.5 common/deliver/deliver.go; common/ledger/blockledger/fileledger/impl.go
 */
export function seekRange(seek: orderer.SeekInfo, height: bigint): SeekRange {
  const from = seek.start?.Type
  const to = seek.stop?.Type
  if (!from?.case || !to?.case) throw badRequest('seek info lacks start or stop')
  const start = startOf(from, height)
  return { start, stop: stopOf(to, start, height) }
}

type Position = NonNullable<orderer.SeekInfo['start']>['Type']

function startOf(position: Position, height: bigint): bigint {
  switch (position.case) {
    case 'newest':
      return height === 0n ? 0n : height - 1n
    case 'nextCommit':
      return height
    case 'specified':
      if (position.value.number <= height) return position.value.number
      throw new OrdererError(
        'ORDERER_NOT_FOUND',
        `block ${String(position.value.number)} is beyond the next block, ${String(height)}`,
      )
    default:
      return 0n
  }
}

function stopOf(position: Position, start: bigint, height: bigint): bigint {
  switch (position.case) {
    case 'oldest':
      return start
    case 'specified':
      if (position.value.number >= start) return position.value.number
      throw badRequest('seek info stops before it starts')
    case 'nextCommit':
      return height
    default:
      return height > start ? height - 1n : start
  }
}
