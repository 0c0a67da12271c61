import type { Clock } from '@heddle/interface'
import type { Broadcaster } from '../out/broadcaster.ts'
import type { Batch } from '../core/messages.ts'
import type { ReplicaCore } from '../core/replica-core.ts'
import type { StoppedError } from '../errors.ts'
import {
  DuplicateIdError,
  JournalBusyError,
  RequestAbandonedError,
  RequestTooLargeError,
} from '../errors.ts'
import { Forwarding } from './forwarding.ts'
import type { DeskView } from './forwarding.ts'
import { Intake } from './intake.ts'
import type { UncheckedRequest } from './intake.ts'
import { KnownIds } from './known-ids.ts'
import type { ResolvedOptions } from '../options.ts'
import type { StateMachine } from '../ports.ts'
import { knownPart, PrimaryPace } from './primary-pace.ts'
import type { Phase } from './primary-pace.ts'
import { RequestBatch, requestDigest } from '../wire/request-batch.ts'
import type { CheckedRequest, RequestChecker } from './request-checker.ts'
import type { PoolEntry, RequestPool, Waiter } from './request-pool.ts'
import { RequestWatch } from './request-watch.ts'
import type { SenderBudgets } from '../in/sender-budgets.ts'
import type { SubmitOptions, SubmitResult } from '../types.ts'

/** After so many status intervals a replica has heard what the others did before: two, as one may be lost. */
const statusIntervalsHeard = 2

export interface RequestDeskDependencies {
  readonly pool: RequestPool
  readonly checker: RequestChecker
  readonly stateMachine: StateMachine
  readonly broadcaster: Broadcaster
  readonly clock: Clock
  readonly budgets: Pick<SenderBudgets, 'refused' | 'checkedInVain' | 'isOverdrawn'>
  /** Where the core is. */
  readonly core: Pick<
    ReplicaCore,
    'isBehind' | 'executedByOthers' | 'timeoutFactor' | 'awaitsPrimary'
  >
  /** Whether the replica takes no new requests now. */
  readonly isHeldUp: () => boolean
  /** There is something to propose. */
  readonly onReady: () => void
  /** Whether a request has waited for the primary of `view` for half of what makes it suspect. */
  readonly onLate: (view: bigint, isLate: boolean) => void
  /** See {@link RequestWatchDependencies.onCalm}; in `view`. */
  readonly onCalm: (view: bigint, factor: number) => void
  /** The primary of `view` left a request waiting for too long. */
  readonly onSuspect: (view: bigint) => void
  /**
   * A forwarded request of replica `from` was refused. Without an error there is no room for it: making one
   * for each would take longer than a check.
   */
  readonly onReject: (from: number, error?: unknown) => void
}

/** Takes requests in, gets them to the primary, and watches that they are executed. */
export class RequestDesk {
  readonly #deps: RequestDeskDependencies
  readonly #options: ResolvedOptions
  readonly #intake: Intake
  readonly #watch: RequestWatch
  readonly #pace: PrimaryPace
  readonly #forwarding: Forwarding
  readonly #knownIds: KnownIds
  #view: DeskView = { view: 0n, primary: 0, active: false }
  #stopped: StoppedError | undefined

  constructor(deps: RequestDeskDependencies, options: ResolvedOptions) {
    this.#deps = deps
    this.#options = options
    this.#knownIds = new KnownIds(2 * options.maxPoolRequests)
    const { pool, stateMachine, broadcaster, clock, core } = deps
    const timeoutFactor = (): number => core.timeoutFactor
    const clientOf = (request: Uint8Array): string => stateMachine.clientOf?.(request) ?? ''
    this.#intake = new Intake({ ...deps, clientOf })
    const isPrimarySlow = (): boolean => this.#pace.isSlow
    this.#forwarding = new Forwarding(
      { pool, broadcaster, clock, timeoutFactor, isPrimarySlow },
      options,
    )
    this.#watch = new RequestWatch(
      {
        ...{ pool, clock, timeoutFactor },
        onTurn: (entry) => this.#passOn(entry),
        onLate: (entry) => this.#remind(entry),
        onTimeout: (entry) => this.#suspect(entry),
        onRelief: () => this.#relieve(),
        onCalm: (factor) => deps.onCalm(this.#view.view, factor),
      },
      options,
    )
    this.#pace = new PrimaryPace({
      clock,
      timeoutMs: () => this.#timeoutMs(),
      onSlow: (isSlow) => (isSlow ? this.#onSlow() : this.#relieve()),
      onTooSlow: () => deps.onSuspect(this.#view.view),
    })
  }

  async submit(given: Uint8Array, { signal, givenBy }: SubmitOptions): Promise<SubmitResult> {
    signal?.throwIfAborted()
    if (this.#stopped !== undefined) throw this.#stopped
    const { maxRequestBytes, id: self } = this.#options
    if (given.length > maxRequestBytes)
      throw new RequestTooLargeError(given.length, maxRequestBytes)
    // Kept until executed, so it must not hold on to, or change with, the caller's buffer.
    const request = Uint8Array.prototype.slice.call(given)
    const digest = requestDigest(request)
    const pending = this.#deps.pool.getByDigest(digest)
    if (pending !== undefined) return this.#wait(this.#adopt(pending), digest, signal)
    const checked = await this.#check(self, { request, digest, purpose: 'intake', givenBy })
    signal?.throwIfAborted()
    const { stateMachine, pool } = this.#deps
    if (stateMachine.isExecuted(checked.id))
      return {
        id: checked.id,
        sequence: stateMachine.lastExecuted().sequence,
        executedBefore: true,
      }
    const other = pool.get(checked.id)
    if (other === undefined) this.#intake.requireShare(self, checked.request)
    const entry = other === undefined ? this.#add(checked, self) : this.#adopt(other)
    return this.#wait(entry, digest, signal)
  }

  /** A request that another replica wants to have ordered. */
  async onForward(from: number, bytes: Uint8Array): Promise<void> {
    try {
      const request = Uint8Array.prototype.slice.call(bytes)
      const digest = requestDigest(request)
      if (this.#isPending(digest, from)) return
      if (!this.#intake.hasRoom(from, request)) {
        this.#deps.onReject(from)
        return
      }
      const isKnown = this.#deps.checker.idOf(digest) !== undefined
      const checked = await this.#check(from, { request, digest, purpose: 'proposal' })
      // It may have come from several at once: then it was checked once.
      if (this.#isPending(digest, from)) return
      if (!this.#isOfUse(checked)) {
        if (!isKnown) this.#chargeFor(checked, from)
        return
      }
      this.#add(checked, from)
    } catch (error) {
      if (error === this.#stopped) return
      this.#deps.budgets.refused(from, error)
      this.#deps.onReject(from, error)
    }
  }

  /** These requests have `sequence` in the current view. */
  onAccepted(sequence: bigint, batch: Batch): void {
    const { pool } = this.#deps
    const digests = RequestBatch.digestsOf(batch)
    pool.assign(sequence, digests)
    const known = digests.map((digest) => pool.getByDigest(digest))
    this.#forwarding.leave(known.filter((entry) => entry !== undefined))
    if (this.#leavesOut(batch)) this.#pace.hasLeftOut()
  }

  /** Whether a batch of the primary has room for something that the primary has known for long. */
  #leavesOut({ requests }: Batch): boolean {
    const { batchSize, preferredBatchBytes } = this.#options
    if (requests.length >= batchSize) return false
    const bytes = requests.reduce((sum, { length }) => sum + length, 0)
    const knownMs = this.#timeoutMs() * knownPart
    const before = this.#deps.clock.now() - knownMs
    return this.#forwarding.isKnownLong(preferredBatchBytes - bytes, before)
  }

  #timeoutMs(): number {
    const { requestTimeoutMs, maxTimeoutMs } = this.#options
    return Math.min(requestTimeoutMs * this.#deps.core.timeoutFactor, maxTimeoutMs)
  }

  onExecuted(sequence: bigint, batch: Batch): void {
    const { pool, checker } = this.#deps
    pool.release(sequence)
    const ids = batch instanceof RequestBatch ? batch.ids : undefined
    let areAllKnown = true
    for (const [index, digest] of RequestBatch.digestsOf(batch).entries()) {
      const id = pool.getByDigest(digest)?.id ?? ids?.[index] ?? checker.idOf(digest)
      areAllKnown &&= id !== undefined
      if (id === undefined) continue
      this.#knownIds.executed(id)
      const waiting = pool.get(id)
      if (waiting !== undefined) this.#settle(waiting, sequence, digest)
    }
    // Of a batch that was fetched, or comes from the journal, only the state machine knows the ids.
    if (!areAllKnown) this.#settleExecuted(sequence)
  }

  /** The core knows of what was executed: whatever is the oldest now is timed. */
  watchExecuted(): void {
    this.#watch.onExecuted()
  }

  /** Something happened: perhaps it is now for another one to make the next step. */
  observe(): void {
    this.#pace.observe(this.#phase())
  }

  #phase(): Phase {
    const { pool, isHeldUp, core } = this.#deps
    const { active, primary } = this.#view
    if (!active || primary === this.#options.id || isHeldUp()) return 'idle'
    if (pool.size === 0 || core.isBehind()) return 'idle'
    return core.awaitsPrimary() ? 'primary' : 'group'
  }

  /** A quorum executed up to `sequence`: this replica does too, or fetches the state. */
  onStable(sequence: bigint): void {
    this.#deps.pool.release(sequence)
  }

  /** The state was fetched: whatever it contains was executed. */
  onTransferred(sequence: bigint): void {
    this.#deps.pool.release(sequence)
    this.#settleExecuted(sequence)
    this.#watch.look()
  }

  /** A view ended, or one began: then its primary must hear of everything that waits here. */
  onViewChanged(view: DeskView): void {
    const { pool } = this.#deps
    const { late } = this.#watch
    this.#watch.stop()
    this.#pace.reset()
    // Left before their time was over, for them among other reasons.
    if (!view.active) for (const entry of late) if (this.#mayBlame(entry)) this.#blame(entry)
    this.#view = view
    pool.unassignAll()
    this.#forwarding.enter(view)
    if (!view.active) return
    if (view.primary === this.#options.id) {
      pool.startProposing()
      this.#deps.onReady()
    }
    if (this.#stopped === undefined) this.#watch.start()
    this.observe()
  }

  /** From time to time: what the primary seems not to have got is sent again. */
  forwardAgain(): void {
    this.#forwarding.again()
  }

  /** Ends all waits; nothing is taken in any more. */
  stop(reason: StoppedError): void {
    this.#stopped = reason
    this.#watch.stop()
    this.#pace.reset()
    for (const entry of [...this.#deps.pool.entries()]) this.#drop(entry, reason)
  }

  async #check(origin: number, unchecked: UncheckedRequest): Promise<CheckedRequest> {
    if (this.#deps.isHeldUp()) throw new JournalBusyError()
    const checked = await this.#intake.check(origin, unchecked)
    if (this.#stopped !== undefined) throw this.#stopped
    return checked
  }

  /** Whether it waits here already; then `from` wants it to be ordered, too. */
  #isPending(digest: string, from: number): boolean {
    const pending = this.#deps.pool.getByDigest(digest)
    if (pending !== undefined) this.#wantedBy(pending, from)
    return pending !== undefined
  }

  #isOfUse({ id }: CheckedRequest): boolean {
    const { pool, stateMachine } = this.#deps
    return !stateMachine.isExecuted(id) && pool.get(id) === undefined
  }

  /** One that `from` brought was good, and of no use: another of its id is pending, or was executed. */
  #chargeFor({ id }: CheckedRequest, from: number): void {
    const { pool, budgets } = this.#deps
    if (!this.#knownIds.excuse(id, from, pool.get(id))) budgets.checkedInVain(from, 1)
  }

  #add(checked: CheckedRequest, origin: number): PoolEntry {
    const { pool, clock, core } = this.#deps
    const entry = pool.add(checked, origin, clock.now(), core.executedByOthers)
    const { active, primary } = this.#view
    if (active && primary === this.#options.id) {
      if (!pool.isAssigned(entry.digest)) pool.propose(entry)
      this.#deps.onReady()
    } else if (this.#isOwn(entry)) {
      this.#forwarding.take(entry)
    } else if (active && this.#forwarding.mayRelay(origin)) {
      this.#forwarding.send(entry)
    }
    this.#watch.lookAt(origin)
    this.observe()
    return entry
  }

  /** A pending request of another replica is submitted here too: now it is one of this replica's own. */
  #adopt(entry: PoolEntry): PoolEntry {
    const { id: self } = this.#options
    if (this.#isOwn(entry)) return entry
    this.#intake.requireRoom(self, entry.request)
    this.#intake.requireShare(self, entry.request)
    this.#wantedBy(entry, self)
    this.#takeOver(entry, self)
    return entry
  }

  /** Replica `from` wants a pending request to be ordered, too. */
  #wantedBy(entry: PoolEntry, from: number): void {
    const { pool } = this.#deps
    const { active, primary } = this.#view
    if (primary === this.#options.id) {
      if (active) pool.proposeAlsoFor(entry, from)
      return
    }
    // The primary may put what it likes before its own: it may not pass off another's as that.
    if (entry.origin !== primary || from === primary || !this.#hasRoom(from, entry)) return
    this.#takeOver(entry, from)
  }

  #takeOver(entry: PoolEntry, origin: number): void {
    const before = entry.origin
    this.#deps.pool.adopt(entry, origin)
    this.#watch.lookAt(before)
    this.#watch.lookAt(origin)
  }

  #hasRoom(origin: number, { request }: PoolEntry): boolean {
    return this.#deps.pool.hasRoom(origin, request.length, { requests: 0, bytes: 0 })
  }

  #isOwn(entry: PoolEntry): boolean {
    return entry.origin === this.#options.id
  }

  /** What another replica wants ordered is now its oldest: before it is late, the primary has it from here too. */
  #passOn(entry: PoolEntry): void {
    const { active, primary } = this.#view
    // Also what came from it: it may have forgotten that in a crash.
    if (!active || primary === this.#options.id || entry.forwardedAt !== undefined) return
    this.#forwarding.send(entry)
  }

  /** Nothing speaks against the primary any more. */
  #relieve(): void {
    if (this.#pace.isSlow || this.#watch.late.length > 0) return
    this.#deps.onLate(this.#view.view, false)
  }

  #onSlow(): void {
    this.#forwarding.share()
    this.#deps.onLate(this.#view.view, true)
  }

  #wait(entry: PoolEntry, digest: string, signal: AbortSignal | undefined): Promise<SubmitResult> {
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

  /** Settles what the state machine knows as executed, whatever bytes had the id there. */
  #settleExecuted(sequence: bigint): void {
    const { pool, stateMachine } = this.#deps
    for (const entry of [...pool.entries()])
      if (stateMachine.isExecuted(entry.id)) this.#settle(entry, sequence)
  }

  #remove(entry: PoolEntry): void {
    this.#deps.pool.remove(entry)
    this.#forwarding.leave([entry])
  }

  #drop(entry: PoolEntry, reason: Error): void {
    this.#remove(entry)
    for (const waiter of [...entry.waiters]) waiter.reject(reason)
  }

  /** Half the patience is used up: the other replicas hear of the request and begin to watch too. */
  #remind(entry: PoolEntry): void {
    this.#forwarding.remind(entry)
    void this.#recheck(entry, this.#view.view)
  }

  /**
   * A request that is good no more would make every primary look faulty. That takes time: in the next
   * view, or timed anew, the request is not late, and nobody would take back what was said of it.
   */
  async #recheck(entry: PoolEntry, view: bigint): Promise<void> {
    const { checker, stateMachine } = this.#deps
    if (stateMachine.isExecuted(entry.id)) {
      this.#settle(entry, stateMachine.lastExecuted().sequence)
    } else {
      checker.forget(entry.digest)
      await checker
        .check(entry.request, entry.digest, 'proposal')
        .catch((error: unknown) => this.#drop(entry, error as Error))
    }
    this.#watch.look()
    const isLate = this.#watch.late.includes(entry) && this.#view.view === view
    if (isLate && this.#mayBlame(entry)) this.#deps.onLate(view, true)
  }

  #suspect(entry: PoolEntry): void {
    if (!this.#mayBlame(entry)) return
    this.#blame(entry)
    if (entry.suspicions < this.#options.n) this.#deps.onSuspect(this.#view.view)
  }

  /** One more primary that left it waiting: after as many as there are it is given up. */
  #blame(entry: PoolEntry): void {
    entry.suspicions++
    if (entry.suspicions >= this.#options.n) this.#drop(entry, new RequestAbandonedError(entry.id))
  }

  /**
   * The primary itself cannot tell why others do not answer; they will, if it is to blame. Nor can who
   * hears nothing, or who is behind, for what it does not know of may have been executed.
   */
  #mayBlame(entry: PoolEntry): boolean {
    const { isHeldUp, core } = this.#deps
    if (this.#view.primary === this.#options.id || isHeldUp()) return false
    return !core.isBehind() || this.#isUnexecuted(entry)
  }

  /**
   * Whether the others have not executed it either, as far as a replica that is behind can tell: they
   * executed nothing since it came, which their status messages would say by now.
   */
  #isUnexecuted({ since, executedThen }: PoolEntry): boolean {
    const { clock, core } = this.#deps
    const heardMs = statusIntervalsHeard * this.#options.statusIntervalMs
    return clock.now() - since >= heardMs && core.executedByOthers <= executedThen
  }
}
