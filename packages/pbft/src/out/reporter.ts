import { isCodedError } from '@heddle/interface'
import type { CodedError, LogFields, Logger } from '@heddle/interface'
import type { BroadcastObserver } from './broadcaster.ts'
import type { ReplicaEffect } from '../core/protocol.ts'
import { createReplicaMetrics } from './metrics.ts'
import type { ReplicaMetrics } from './metrics.ts'
import type { Spending } from '../in/sender-budgets.ts'
import type { ReplicaDependencies, ReplicaNotification, ReplicaStatus } from '../types.ts'

/** Tells what happens: to the log, the metrics and the owner's `onEvent`. */
export class Reporter implements BroadcastObserver {
  readonly #logger: Logger | undefined
  readonly #metrics: ReplicaMetrics | undefined
  readonly #onEvent: ((event: ReplicaNotification) => void) | undefined

  #why = 'records of the journal were lost before'
  /** Why this replica does not vote, and until when; undefined when it does. */
  notVoting: string | undefined
  /** See `ReplicaStatus`. */
  isAsking = false
  forgetful: readonly number[] = []
  heardBy: readonly number[] = []
  /** What was warned of last. */
  #warned: string | undefined

  constructor({ logger, metrics, onEvent }: ReplicaDependencies) {
    this.#logger = logger
    this.#metrics = metrics === undefined ? undefined : createReplicaMetrics(metrics)
    this.#onEvent = onEvent
  }

  started(status: ReplicaStatus): void {
    const { view, activeView: active, primary, lastExecuted, lowWatermark } = status
    this.#gauges(view, primary, active)
    this.#metrics?.lastExecuted.set(Number(lastExecuted))
    this.#metrics?.lowWatermark.set(Number(lowWatermark))
    this.#logger?.info('replica started', { view, active, primary, lastExecuted, lowWatermark })
  }

  /** What the journal held is not all that this replica wrote. */
  incomplete(why: string): void {
    this.#why = why
  }

  /** Whether this replica votes, and if not, when it will. */
  voting(effect: Extract<ReplicaEffect, { type: 'voting' }>): void {
    const { isVoting, until, votesFrom, forgetful, heardBy } = effect
    this.isAsking = false
    if (heardBy !== undefined) {
      this.#why = heardMore(heardBy)
      this.heardBy = heardBy
    }
    this.forgetful = !isVoting && until === undefined && votesFrom === 0n ? forgetful : []
    if (isVoting) {
      this.#votes()
    } else {
      this.notVoting = `${this.#why}: it does not vote ${whenNot(until, votesFrom)}`
      this.#warn({ reason: this.#why, until, votesFrom })
    }
  }

  /** It does not know yet whether it said more than its journal holds. Usual for a moment at a start. */
  asking({ unanswered, needed, intervals }: Extract<ReplicaEffect, { type: 'asking' }>): void {
    if (intervals === 0) return
    const reason = `it asks what others heard from it before it votes: ${needed} must have answered, ${named(unanswered)} did not`
    this.notVoting = reason
    this.isAsking = true
    if (intervals >= patientIntervals) this.#warn({ reason })
  }

  #votes(): void {
    this.notVoting = undefined
    this.heardBy = []
    if (this.#warned === undefined) return
    this.#warned = undefined
    this.#logger?.info('votes again')
    this.#notify({ type: 'voting', isVoting: true, reason: undefined })
  }

  /** Once for each reason. */
  #warn(fields: LogFields): void {
    const text = Object.values(fields).join()
    if (text === this.#warned) return
    this.#warned = text
    this.#logger?.warn('does not vote', fields)
    this.#notify({ type: 'voting', isVoting: false, reason: this.notVoting })
  }

  viewChanged(view: bigint, primary: number, active: boolean): void {
    this.#gauges(view, primary, active)
    if (!active) this.#metrics?.viewChanges.add(1)
    this.#logger?.info(active ? 'view begins' : 'view change', { view, primary })
    this.#notify({ type: 'viewChanged', view, primary, active })
  }

  executed(sequence: bigint, requests: number, pending: { size: number; bytes: number }): void {
    this.#metrics?.lastExecuted.set(Number(sequence))
    this.#metrics?.batches.add(1)
    this.#metrics?.requests.add(requests)
    this.#metrics?.poolSize.set(pending.size)
    this.#metrics?.poolBytes.set(pending.bytes)
    this.#logger?.debug('batch executed', { sequence, requests })
    this.#notify({ type: 'executed', sequence, requests })
  }

  stable(sequence: bigint): void {
    this.#metrics?.lowWatermark.set(Number(sequence))
    this.#logger?.debug('checkpoint stable', { sequence })
    this.#notify({ type: 'stable', sequence })
  }

  transferStarted(sequence: bigint): void {
    this.#logger?.info('state transfer started', { sequence })
    this.#notify({ type: 'transferStarted', sequence })
  }

  transferEnded(sequence: bigint): void {
    this.#metrics?.transfers.add(1)
    this.#metrics?.lastExecuted.set(Number(sequence))
    this.#logger?.info('state transfer ended', { sequence })
    this.#notify({ type: 'transferEnded', sequence })
  }

  transferFailed(sequence: bigint, error: unknown): void {
    this.#logger?.warn('state transfer failed; it is tried again', { sequence }, error)
  }

  submitted(latencyMs: number): void {
    this.#metrics?.latency.observe(latencyMs / 1000)
  }

  appended(records: number): void {
    this.#metrics?.journalRecords.add(records)
    this.#metrics?.journalAppends.add(1)
  }

  rejected(from: number, code: string, detail: string): void {
    this.#metrics?.rejected.add(1, { code })
    this.#logger?.debug('message refused', { from, code, detail })
    this.#notify({ type: 'rejected', from, code, detail })
  }

  /** @param error - undefined: there was no room for it */
  rejectedRequest(from: number, error: unknown): void {
    if (error === undefined) {
      this.rejected(from, 'PBFT_POOL_FULL', 'no room for what it forwards')
      return
    }
    const code = isCodedError(error) ? error.code : 'PBFT_INVALID_REQUEST'
    this.rejected(from, code, error instanceof Error ? error.message : 'a forwarded request')
  }

  /** A replica was held back for long, and sends on. */
  flooding(from: number, what: Spending): void {
    this.#metrics?.flooding.add(1, { what })
    this.#logger?.warn('a replica floods this one', {
      ...{ from, what },
      cure: 'it is faulty or attacks: stop it, and find out why',
    })
    this.#notify({ type: 'flooding', from, what })
  }

  overflowed(from: number): void {
    this.#metrics?.dropped.add(1, { direction: 'in' })
    this.#logger?.debug('no room for a message, dropped', { from })
  }

  /** So much waits for the journal that nothing is taken in, or no more. */
  heldUp(isHeldUp: boolean, { view, lastExecuted: sequence }: ReplicaStatus): void {
    const fields = { view, sequence }
    if (isHeldUp) this.#logger?.warn('journal does not keep up, nothing is taken in', fields)
    else this.#logger?.info('journal keeps up again', fields)
  }

  dropped(to: number, messages: number): void {
    this.#metrics?.dropped.add(messages, { direction: 'out' })
    this.#logger?.debug('send queue full', { to, messages })
  }

  /** The journal is so slow that a message was dropped before it was queued. */
  droppedUnsent(): void {
    this.#metrics?.dropped.add(1, { direction: 'out' })
    this.#logger?.debug('journal too slow, message dropped')
  }

  failed(to: number, messages: number, error: unknown): void {
    this.#metrics?.sendFailures.add(1)
    this.#logger?.debug('send failed', { to, messages }, error)
  }

  /** The replica stops by itself. */
  broken(error: CodedError, { view, lastExecuted: sequence }: ReplicaStatus): void {
    this.#logger?.error('replica failed', { code: error.code, view, sequence }, error)
    this.#notify({ type: 'failed', error })
  }

  #gauges(view: bigint, primary: number, active: boolean): void {
    this.#metrics?.viewNumber.set(Number(view))
    this.#metrics?.viewPrimary.set(primary)
    this.#metrics?.viewActive.set(active ? 1 : 0)
  }

  #notify(event: ReplicaNotification): void {
    try {
      this.#onEvent?.(event)
    } catch (error) {
      const sequence = 'sequence' in event ? { sequence: event.sequence } : {}
      this.#logger?.error('onEvent threw', { type: event.type, ...sequence }, error)
    }
  }
}

/** For so many status intervals, others not having answered is not worth a line. */
const patientIntervals = 3

const named = (replicas: readonly number[]): string =>
  `replica${replicas.length === 1 ? '' : 's'} ${replicas.join(', ')}`

const heardMore = (replicas: readonly number[]): string =>
  `${named(replicas)} heard more from it than its journal holds, which is an older copy or lost`

function whenNot(until: bigint | undefined, votesFrom: bigint): string {
  if (until !== undefined)
    return `before a checkpoint from ${until} on is stable, and then from view ${votesFrom} on`
  return votesFrom > 0n ? `before view ${votesFrom}` : 'before a quorum of the others has answered'
}
