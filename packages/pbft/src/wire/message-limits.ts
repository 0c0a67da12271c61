import { maxClaims, maxPrePreparedPerSequence } from '../core/state.ts'
import { largestFrame } from './frame.ts'
import type { ResolvedOptions } from '../options.ts'

/** Most bytes of a signature; DER over P-256 takes 72. */
export const maxSignatureBytes = 1_024

/** Upper bounds of encoded parts, their tags and lengths included. */
const sizes = {
  vote: 64,
  checkpoint: 96,
  claim: 64,
  slot: 8,
  said: 36,
  stateDigest: 66,
  perRequest: 8,
  header: 64,
} as const

/** The largest messages that a correct replica sends: what is larger is not even decoded. */
export interface MessageLimits {
  /** Most requests of a batch. */
  readonly requests: number
  /** Most bytes of each kind of message, by its name in `heddle.pbft.Message`. */
  readonly bytes: Readonly<Record<MessageKind, number>>
  /** Most bytes of a frame. */
  readonly frame: number
}

/** The names of `heddle.pbft.Message`'s fields. */
export type MessageKind =
  | 'prePrepare'
  | 'prepare'
  | 'commit'
  | 'checkpoint'
  | 'viewChange'
  | 'newView'
  | 'status'
  | 'fetchBatch'
  | 'batch'
  | 'forward'
  | 'certificate'

type LimitingOptions = Pick<
  ResolvedOptions,
  'n' | 'batchSize' | 'maxBatchBytes' | 'maxRequestBytes' | 'checkpointPeriod' | 'logMultiplier'
>

/**
 * What follows from the options that all replicas agree on. A view-change that were larger could
 * make the new-view that has to carry it too large to be sent.
 */
export function messageLimits(options: LimitingOptions): MessageLimits {
  const { n, batchSize, maxBatchBytes, maxRequestBytes } = options
  const window = options.checkpointPeriod * options.logMultiplier
  const batch = maxBatchBytes + batchSize * sizes.perRequest + sizes.header
  const checkpoint = sizes.checkpoint + maxSignatureBytes
  const certificate = n * checkpoint + sizes.header
  const claims = window * (1 + maxPrePreparedPerSequence) * sizes.claim
  const viewChange = certificate + claims + maxSignatureBytes + sizes.header
  const bytes = {
    ...{ prePrepare: batch, batch, forward: maxRequestBytes },
    ...{ prepare: sizes.vote, commit: sizes.vote, fetchBatch: sizes.vote },
    ...{ checkpoint, certificate, viewChange },
    newView: n * viewChange + maxSignatureBytes + sizes.header,
    status:
      2 * sizes.header +
      n * (2 + sizes.said) +
      2 * window * sizes.slot +
      maxClaims * sizes.stateDigest,
  }
  return { requests: batchSize, bytes, frame: largestFrame(Math.max(...Object.values(bytes))) }
}
