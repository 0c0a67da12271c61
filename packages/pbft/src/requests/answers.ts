import type { Batch } from '../core/messages.ts'
import { DuplicateIdError } from '../errors.ts'
import type { StateMachine } from '../ports.ts'
import type { SubmitResult } from '../types.ts'
import { RequestBatch } from '../wire/request-batch.ts'
import type { Forwarding } from './forwarding.ts'
import type { KnownIds } from './known-ids.ts'
import type { RequestChecker } from './request-checker.ts'
import type { PoolEntry, RequestPool, Waiter } from './request-pool.ts'

export interface AnswersDependencies {
  readonly pool: RequestPool
  readonly checker: RequestChecker
  readonly stateMachine: StateMachine
  readonly forwarding: Forwarding
  readonly knownIds: KnownIds
}

/** Those who wait for their requests, and what they are told: once, when it leaves the pool. */
export class Answers {
  readonly #deps: AnswersDependencies

  constructor(deps: AnswersDependencies) {
    this.#deps = deps
  }

  /**
   * Resolves when `entry` was executed.
   *
   * @param digest - of the request that was submitted: perhaps another one with the id of `entry`
   */
  wait(entry: PoolEntry, digest: string, signal: AbortSignal | undefined): Promise<SubmitResult> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        const at = entry.waiters.indexOf(waiter)
        if (at >= 0) entry.waiters.splice(at, 1)
        signal?.removeEventListener('abort', abort)
      }
      const abort = (): void => {
        end()
        reject(signal?.reason as Error) // untouched, whatever it is
      }
      const waiter: Waiter = {
        digest,
        resolve: (result) => {
          end()
          resolve(result)
        },
        reject: (error) => {
          end()
          reject(error)
        },
      }
      entry.waiters.push(waiter)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** This batch was executed here. */
  onExecuted(sequence: bigint, batch: Batch): void {
    const { pool, checker, knownIds } = this.#deps
    const ids = batch instanceof RequestBatch ? batch.ids : undefined
    let areAllKnown = true
    for (const [index, digest] of RequestBatch.digestsOf(batch).entries()) {
      const id = pool.getByDigest(digest)?.id ?? ids?.[index] ?? checker.idOf(digest)
      areAllKnown &&= id !== undefined
      if (id === undefined) continue
      knownIds.executed(id)
      const waiting = pool.get(id)
      if (waiting !== undefined) this.#settle(waiting, sequence, digest)
    }
    // Of a batch that was fetched, or comes from the journal, only the state machine knows the ids.
    if (!areAllKnown) this.settleExecuted(sequence)
  }

  /** Settles what the state machine knows as executed, whatever bytes had the id there. */
  settleExecuted(sequence: bigint): void {
    for (const entry of [...this.#deps.pool.entries()]) this.settleIfExecuted(entry, sequence)
  }

  /** The same of one; whether it was executed. */
  settleIfExecuted(entry: PoolEntry, sequence: bigint): boolean {
    const isExecuted = this.#deps.stateMachine.isExecuted(entry.id)
    if (isExecuted) this.#settle(entry, sequence)
    return isExecuted
  }

  /** Nobody waits for it any more. */
  drop(entry: PoolEntry, reason: Error): void {
    this.#remove(entry)
    for (const waiter of [...entry.waiters]) waiter.reject(reason)
  }

  /** The same of all. */
  dropAll(reason: Error): void {
    for (const entry of [...this.#deps.pool.entries()]) this.drop(entry, reason)
  }

  /**
   * Answers whoever waits for what has the id of `entry`: one of this id was executed.
   *
   * @param digest - of the very request that was; undefined when only the state machine knows
   */
  #settle(entry: PoolEntry, sequence: bigint, digest?: string): void {
    const { id } = entry
    this.#remove(entry)
    const executedBefore = digest === undefined
    for (const waiter of [...entry.waiters])
      if (executedBefore || waiter.digest === digest)
        waiter.resolve({ id, sequence, executedBefore })
      else waiter.reject(new DuplicateIdError(id))
  }

  #remove(entry: PoolEntry): void {
    this.#deps.pool.remove(entry)
    this.#deps.forwarding.leave([entry])
  }
}
