import type { Timer } from '@heddle/events'
import type { Batch } from '../core/messages.ts'
import { RequestBatch } from '../wire/request-batch.ts'
import type { RequestPool } from './request-pool.ts'

export interface ProposerOptions {
  readonly batchTimeoutMs: number
  readonly pipelineDepth: number
}

/** What the proposer asks of the core; see ReplicaCore. */
export interface ProposingCore {
  room(): number
  inFlight(): number
}

/**
 * Decides, at the primary, when a batch is cut. With nothing in flight whatever waits goes at once,
 * so that light load sees no delay; otherwise a batch goes when it is full or has waited for
 * `batchTimeoutMs`, so that batches fill under heavy load. Never more than `pipelineDepth` in flight.
 */
export class Proposer {
  readonly #pool: RequestPool
  readonly #timer: Timer<{ readonly type: 'batchDue' }>
  readonly #options: ProposerOptions
  #isDue = false

  /** @param timer - its expiry leads to {@link Proposer.onDue} */
  constructor(
    pool: RequestPool,
    timer: Timer<{ readonly type: 'batchDue' }>,
    options: ProposerOptions,
  ) {
    this.#pool = pool
    this.#timer = timer
    this.#options = options
  }

  /** The next batch to propose now; undefined when it is better to wait. */
  next(core: ProposingCore): Batch | undefined {
    if (core.room() === 0 || !this.#pool.hasReady) {
      this.stop()
      return undefined
    }
    const inFlight = core.inFlight()
    const isFree = inFlight === 0 || this.#pool.hasFullBatch || this.#isDue
    if (!isFree) this.#timer.softReset(this.#options.batchTimeoutMs, { type: 'batchDue' })
    if (!isFree || inFlight >= this.#options.pipelineDepth) return undefined
    this.stop()
    const entries = this.#pool.takeBatch()
    const batch = RequestBatch.of(
      entries.map((entry) => entry.request),
      entries.map((entry) => entry.digest),
    )
    if (batch instanceof RequestBatch) batch.ids = entries.map((entry) => entry.id)
    return batch
  }

  /** What waits has waited for `batchTimeoutMs`. */
  onDue(): void {
    this.#isDue = true
  }

  stop(): void {
    this.#timer.stop()
    this.#isDue = false
  }
}
