import { hash } from 'node:crypto'
import { NULL_BATCH } from '../core/messages.ts'
import type { Batch } from '../core/messages.ts'

/** Hex of the SHA-256 of a request, as received. */
export function requestDigest(request: Uint8Array): string {
  return hash('sha256', request, 'hex')
}

/** A pre-prepare as it goes over the wire and into the journal. */
export interface EncodedAssignment {
  readonly view: bigint
  readonly sequence: bigint
  readonly bytes: Uint8Array
}

/** A batch with the digests of its requests; equal digests mean equal requests in equal order. */
export class RequestBatch implements Batch {
  readonly requests: readonly Uint8Array[]
  /** Hex of the SHA-256 of each request. */
  readonly digests: readonly string[]
  readonly digest: string
  /** The id of each request, once they were checked here. */
  ids: readonly string[] | undefined
  /** The last pre-prepare with this batch, encoded; see Encoder. */
  assignment: EncodedAssignment | undefined

  private constructor(requests: readonly Uint8Array[], digests: readonly string[]) {
    this.requests = requests
    this.digests = digests
    // Two levels, so that each request is hashed once, for its own digest and for the batch.
    this.digest = hash('sha256', Buffer.from(digests.join(''), 'hex'), 'hex')
  }

  /** The batch of these requests, whose digests may be known already. */
  static of(
    requests: readonly Uint8Array[],
    digests: readonly string[] = requests.map(requestDigest),
  ): Batch {
    return requests.length === 0 ? NULL_BATCH : new RequestBatch(requests, digests)
  }

  /** The digests of the requests of any batch. */
  static digestsOf(batch: Batch): readonly string[] {
    return batch instanceof RequestBatch ? batch.digests : batch.requests.map(requestDigest)
  }
}
