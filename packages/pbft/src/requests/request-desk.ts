import type { Clock } from '@heddle/interface'
import type { Batch } from '../core/messages.ts'
import type { ReplicaEvent } from '../core/protocol.ts'
import type { ReplicaCore } from '../core/replica-core.ts'
import type { StoppedError } from '../errors.ts'
import type { ResolvedOptions } from '../options.ts'
import type { StateMachine } from '../ports.ts'
import { RequestBatch } from '../wire/request-batch.ts'
import { Admission } from './admission.ts'
import { Answers } from './answers.ts'
import { Forwarding } from './forwarding.ts'
import type { DeskView } from './forwarding.ts'
import type { SenderCharges } from './intake.ts'
import { KnownIds } from './known-ids.ts'
import { PrimaryWatch } from './primary-watch.ts'
import type { Alarm } from './primary-watch.ts'
import type { RequestChecker } from './request-checker.ts'
import type { RequestPool } from './request-pool.ts'
import type { RequestSender } from './request-sender.ts'

export interface RequestDeskDependencies {
  readonly pool: RequestPool
  readonly checker: RequestChecker
  readonly stateMachine: StateMachine
  readonly broadcaster: RequestSender
  readonly clock: Clock
  /** Its expiry leads to {@link RequestDesk.onAlarm}. */
  readonly alarm: Alarm
  readonly budgets: SenderCharges
  /** For where it is; what happens it is told by `post`. */
  readonly core: Pick<
    ReplicaCore,
    'isBehind' | 'executedByOthers' | 'timeoutFactor' | 'awaitsPrimary'
  >
  /** Whether the replica takes no new requests now. */
  readonly isHeldUp: () => boolean
  /** There is something to propose. */
  readonly onReady: () => void
  /** A request is late or no more, it went well for long, or the primary is suspected. */
  readonly post: (event: ReplicaEvent) => void
  /** See {@link AdmissionDependencies.onReject}. */
  readonly onReject: (from: number, error?: unknown) => void
}

/** Requests of this replica: what the core decides of them, told to those whom it concerns. */
export class RequestDesk {
  /** Takes them in. */
  readonly admission: Admission
  readonly #deps: RequestDeskDependencies
  readonly #options: ResolvedOptions
  readonly #forwarding: Forwarding
  readonly #answers: Answers
  readonly #watch: PrimaryWatch

  constructor(deps: RequestDeskDependencies, options: ResolvedOptions) {
    this.#deps = deps
    this.#options = options
    const knownIds = new KnownIds(2 * options.maxPoolRequests)
    const forwarding = (this.#forwarding = new Forwarding(deps, options))
    const answers = (this.#answers = new Answers({ ...deps, forwarding, knownIds }))
    const watch = (this.#watch = new PrimaryWatch({ ...deps, forwarding, answers }, options))
    this.admission = new Admission({ ...deps, forwarding, answers, watch, knownIds }, options)
  }

  /** These requests have `sequence` in the current view. */
  onAccepted(sequence: bigint, batch: Batch): void {
    const { pool } = this.#deps
    const digests = RequestBatch.digestsOf(batch)
    pool.assign(sequence, digests)
    const known = digests.map((digest) => pool.getByDigest(digest))
    this.#forwarding.leave(known.filter((entry) => entry !== undefined))
    if (this.#leavesOut(batch)) this.#watch.leftOut()
  }

  /** Whether a batch of the primary has room for something that the primary has known for long. */
  #leavesOut({ requests }: Batch): boolean {
    const { batchSize, preferredBatchBytes } = this.#options
    if (requests.length >= batchSize) return false
    const bytes = requests.reduce((sum, { length }) => sum + length, 0)
    return this.#forwarding.isKnownLong(preferredBatchBytes - bytes, this.#watch.knownSince)
  }

  /** A batch was executed here; the core is to know before {@link RequestDesk.watchExecuted}. */
  onExecuted(sequence: bigint, batch: Batch): void {
    this.#deps.pool.release(sequence)
    this.#answers.onExecuted(sequence, batch)
  }

  /** The core knows of what was executed: whatever is the oldest now is timed. */
  watchExecuted(): void {
    this.#watch.executed()
  }

  /** Something happened: perhaps it is now for another one to make the next step. */
  observe(): void {
    this.#watch.observe()
  }

  /** A quorum executed up to `sequence`: this replica does too, or fetches the state. */
  onStable(sequence: bigint): void {
    this.#deps.pool.release(sequence)
  }

  /** The state was fetched: whatever it contains was executed. */
  onTransferred(sequence: bigint): void {
    this.#deps.pool.release(sequence)
    this.#answers.settleExecuted(sequence)
    this.#watch.look()
  }

  /** A view ended, or one began: then its primary must hear of everything that waits here. */
  onViewChanged(view: DeskView): void {
    this.#watch.leave(view.active)
    this.#forwarding.enter(view)
    this.#watch.enter(view)
  }

  /** The time has come that the watch waited for. */
  onAlarm(): void {
    this.#watch.onAlarm()
  }

  /** From time to time: what the primary seems not to have got is sent again. */
  forwardAgain(): void {
    this.#forwarding.again()
  }

  /** Ends all waits; nothing is taken in any more. */
  stop(reason: StoppedError): void {
    this.admission.stop(reason)
    this.#watch.stop()
    this.#answers.dropAll(reason)
  }
}
