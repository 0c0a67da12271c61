import { isCodedError } from '@heddle/interface'
import type { Batch } from '../core/messages.ts'
import { InvalidBatchError, RequestTooLargeError } from '../errors.ts'
import type { CheckPurpose, StateMachine } from '../ports.ts'
import { Recent } from './recent.ts'
import { RequestBatch, requestDigest } from '../wire/request-batch.ts'

export interface RequestCheckerOptions {
  readonly batchSize: number
  readonly maxBatchBytes: number
  readonly maxRequestBytes: number
  /** Most answers of the state machine that are remembered. */
  readonly maxRemembered: number
}

/** A request that the state machine finds good. */
export interface CheckedRequest {
  readonly request: Uint8Array
  readonly digest: string
  readonly id: string
}

/**
 * Asks the state machine about requests, each once: what was good at intake is not checked again
 * when it comes back in a batch. Only good answers at intake are remembered, the latest
 * `maxRemembered`: what came in a batch has no reason to come again.
 */
export class RequestChecker {
  readonly #stateMachine: StateMachine
  readonly #options: RequestCheckerOptions
  readonly #ids: Recent<string>
  readonly #underWay = {
    intake: new Map<string, Promise<string>>(),
    proposal: new Map<string, Promise<string>>(),
  }

  constructor(stateMachine: StateMachine, options: RequestCheckerOptions) {
    this.#stateMachine = stateMachine
    this.#options = options
    this.#ids = new Recent(options.maxRemembered)
  }

  /** The id of a request that was found good lately. */
  idOf(digest: string): string | undefined {
    return this.#ids.get(digest)
  }

  /** Makes the next check of a request ask again. */
  forget(digest: string): void {
    this.#ids.delete(digest)
  }

  /** @throws what the state machine rejects with; RequestTooLargeError */
  async check(request: Uint8Array, digest: string, purpose: CheckPurpose): Promise<CheckedRequest> {
    this.#assertSize(request)
    const known = this.#ids.get(digest)
    if (known !== undefined) return { request, digest, id: known }
    const id = await (purpose === 'intake'
      ? this.#ask(request, digest, purpose)
      : this.#askProposed(request, digest))
    this.#ids.set(digest, id)
    return { request, digest, id }
  }

  /**
   * The batch of these requests, or a promise of it when some of them are new here.
   *
   * @throws {InvalidBatchError} PBFT_INVALID_BATCH, at once or as a rejection
   */
  checkBatch(requests: readonly Uint8Array[]): Batch | Promise<Batch> {
    const { batchSize, maxBatchBytes } = this.#options
    if (requests.length > batchSize) throw new InvalidBatchError('more requests than batchSize')
    const bytes = requests.reduce((sum, request) => sum + request.length, 0)
    if (requests.length > 1 && bytes > maxBatchBytes)
      throw new InvalidBatchError('more bytes than maxBatchBytes')
    const digests = requests.map((request) => {
      this.#assertSize(request)
      return requestDigest(request)
    })
    const batch = RequestBatch.of(requests, digests)
    const known = digests.map((digest) => this.#ids.get(digest))
    if (known.every((id) => id !== undefined)) return withDistinctIds(batch, known)
    const ids = requests.map(
      (request, at) => known[at] ?? this.#askProposed(request, digests[at] ?? ''),
    )
    return Promise.all(ids.map((id) => Promise.resolve(id))).then(
      (all) => withDistinctIds(batch, all),
      (error: unknown) => {
        throw new InvalidBatchError(`a request was refused: ${reasonOf(error)}`, { cause: error })
      },
    )
  }

  #assertSize(request: Uint8Array): void {
    const { maxRequestBytes } = this.#options
    if (request.length > maxRequestBytes)
      throw new RequestTooLargeError(request.length, maxRequestBytes)
  }

  #askProposed(request: Uint8Array, digest: string): Promise<string> {
    const ask = () => this.#ask(request, digest, 'proposal')
    // What is refused at intake, perhaps for its time only, may still be good in a batch.
    return this.#underWay.intake.get(digest)?.catch(ask) ?? ask()
  }

  #ask(request: Uint8Array, digest: string, purpose: CheckPurpose): Promise<string> {
    const underWay = this.#underWay[purpose]
    const asked = underWay.get(digest)
    if (asked !== undefined) return asked
    const answer = this.#stateMachine.check(request, purpose).finally(() => underWay.delete(digest))
    underWay.set(digest, answer)
    return answer
  }
}

/** A correct primary orders no request twice in one batch; what it orders once is known from here on. */
function withDistinctIds(batch: Batch, ids: readonly string[]): Batch {
  if (new Set(ids).size !== ids.length) throw new InvalidBatchError('a request twice')
  if (batch instanceof RequestBatch) batch.ids = ids
  return batch
}

function reasonOf(error: unknown): string {
  return isCodedError(error) ? error.code : 'unknown reason'
}
