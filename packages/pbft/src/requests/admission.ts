import type { Clock } from '@heddle/interface'
import type { ReplicaCore } from '../core/replica-core.ts'
import { JournalBusyError, RequestTooLargeError } from '../errors.ts'
import type { StoppedError } from '../errors.ts'
import type { ResolvedOptions } from '../options.ts'
import type { StateMachine } from '../ports.ts'
import type { SubmitOptions, SubmitResult } from '../types.ts'
import { requestDigest } from '../wire/request-batch.ts'
import type { Answers } from './answers.ts'
import type { Forwarding } from './forwarding.ts'
import { Intake } from './intake.ts'
import type { SenderCharges, UncheckedRequest } from './intake.ts'
import type { KnownIds } from './known-ids.ts'
import type { PrimaryWatch } from './primary-watch.ts'
import type { CheckedRequest, RequestChecker } from './request-checker.ts'
import type { PoolEntry, RequestPool } from './request-pool.ts'

export interface AdmissionDependencies {
  readonly pool: RequestPool
  readonly checker: RequestChecker
  readonly stateMachine: StateMachine
  readonly clock: Clock
  readonly budgets: SenderCharges
  readonly core: Pick<ReplicaCore, 'executedByOthers'>
  readonly forwarding: Forwarding
  readonly answers: Answers
  readonly watch: PrimaryWatch
  readonly knownIds: KnownIds
  /** Whether the replica takes no new requests now. */
  readonly isHeldUp: () => boolean
  /**
   * A forwarded request of replica `from` was refused. Without an error there is no room for it: making one
   * for each would take longer than a check.
   */
  readonly onReject: (from: number, error?: unknown) => void
}

/** Takes requests in: those that are submitted here, and those that other replicas forward. */
export class Admission {
  readonly #deps: AdmissionDependencies
  readonly #options: Pick<ResolvedOptions, 'id' | 'maxRequestBytes'>
  readonly #intake: Intake
  #stopped: StoppedError | undefined

  constructor(
    deps: AdmissionDependencies,
    options: Pick<ResolvedOptions, 'id' | 'maxRequestBytes'>,
  ) {
    this.#deps = deps
    this.#options = options
    const { stateMachine } = deps
    const clientOf = (request: Uint8Array): string => stateMachine.clientOf?.(request) ?? ''
    this.#intake = new Intake({ ...deps, clientOf })
  }

  /** See Replica.submit. */
  async submit(given: Uint8Array, { signal, givenBy }: SubmitOptions): Promise<SubmitResult> {
    signal?.throwIfAborted()
    if (this.#stopped !== undefined) throw this.#stopped
    const { maxRequestBytes, id: self } = this.#options
    if (given.length > maxRequestBytes)
      throw new RequestTooLargeError(given.length, maxRequestBytes)
    // Kept until executed, so it must not hold on to, or change with, the caller's buffer.
    const request = Uint8Array.prototype.slice.call(given)
    const digest = requestDigest(request)
    const { stateMachine, pool, answers } = this.#deps
    const pending = pool.getByDigest(digest)
    if (pending !== undefined) return answers.wait(this.#adopt(pending), digest, signal)
    const checked = await this.#check(self, { request, digest, purpose: 'intake', givenBy })
    signal?.throwIfAborted()
    const { id } = checked
    if (stateMachine.isExecuted(id))
      return { id, sequence: stateMachine.lastExecuted().sequence, executedBefore: true }
    const other = pool.get(id)
    if (other === undefined) this.#intake.requireShare(self, checked.request)
    const entry = other === undefined ? this.#add(checked, self) : this.#adopt(other)
    return answers.wait(entry, digest, signal)
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

  /** Nothing is taken in any more. */
  stop(reason: StoppedError): void {
    this.#stopped = reason
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
    const { pool, budgets, knownIds } = this.#deps
    if (!knownIds.excuse(id, from, pool.get(id))) budgets.checkedInVain(from, 1)
  }

  #add(checked: CheckedRequest, origin: number): PoolEntry {
    const { pool, clock, core, forwarding, watch } = this.#deps
    const entry = pool.add(checked, origin, clock.now(), core.executedByOthers)
    forwarding.bring(entry)
    watch.lookAt(origin)
    watch.observe()
    return entry
  }

  /** A pending request of another replica is submitted here too: now it is one of this replica's own. */
  #adopt(entry: PoolEntry): PoolEntry {
    const { id: self } = this.#options
    if (entry.origin === self) return entry
    this.#intake.requireRoom(self, entry.request)
    this.#intake.requireShare(self, entry.request)
    this.#wantedBy(entry, self)
    this.#takeOver(entry, self)
    return entry
  }

  /** Replica `from` wants a pending request to be ordered, too. */
  #wantedBy(entry: PoolEntry, from: number): void {
    const { pool, forwarding } = this.#deps
    const { active, primary } = forwarding.view
    if (primary === this.#options.id) {
      if (active) pool.proposeAlsoFor(entry, from)
      return
    }
    // The primary may put what it likes before its own: it may not pass off another's as that.
    if (entry.origin !== primary || from === primary || !this.#hasRoom(from, entry)) return
    this.#takeOver(entry, from)
  }

  #takeOver(entry: PoolEntry, origin: number): void {
    const { pool, watch } = this.#deps
    const before = entry.origin
    pool.adopt(entry, origin)
    watch.lookAt(before)
    watch.lookAt(origin)
  }

  #hasRoom(origin: number, { request }: PoolEntry): boolean {
    return this.#deps.pool.hasRoom(origin, request.length, { requests: 0, bytes: 0 })
  }
}
