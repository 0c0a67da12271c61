import { randomBytes } from 'node:crypto'
import { createTimer } from '@heddle/events'
import type { Manager } from '@heddle/events'
import type { CodedError } from '@heddle/interface'
import { faultsTolerated } from './core/quorum.ts'
import type { ReplicaCore } from './core/replica-core.ts'
import { createEventQueue, Driver, enqueue } from './driver.ts'
import type { ShellEvent } from './driver.ts'
import { ExecutionError, JournalError } from './errors.ts'
import type { StoppedError } from './errors.ts'
import { Inbox } from './in/inbox.ts'
import { SenderBudgets } from './in/sender-budgets.ts'
import { Signatures } from './in/signatures.ts'
import type { ResolvedOptions } from './options.ts'
import { Broadcaster } from './out/broadcaster.ts'
import { Effects } from './out/effects.ts'
import { Executions } from './out/executions.ts'
import type { MarkedJournal } from './out/marked-journal.ts'
import { Outbox } from './out/outbox.ts'
import type { Reporter } from './out/reporter.ts'
import { Proposer } from './requests/proposer.ts'
import { RequestChecker } from './requests/request-checker.ts'
import { RequestDesk } from './requests/request-desk.ts'
import { RequestPool } from './requests/request-pool.ts'
import type { ReplicaDependencies, ReplicaStatus, SubmitOptions, SubmitResult } from './types.ts'
import { Encoder } from './wire/encoder.ts'

/** What a replica runs with. */
export interface RunningParts {
  readonly deps: ReplicaDependencies
  readonly options: ResolvedOptions
  readonly reporter: Reporter
  /** Its records were read, and are in `core`. */
  readonly journal: MarkedJournal
  readonly core: ReplicaCore
  /** It cannot go on: it has to be stopped. */
  readonly onFailure: (error: CodedError) => void
}

/**
 * The shell around {@link ReplicaCore}: one queue of events, which a {@link Driver} takes one at a time,
 * and whatever their effects need of the world. An effect that takes time answers with a later event.
 */
export class RunningReplica {
  readonly #parts: RunningParts
  readonly #queue: Manager<ShellEvent>
  readonly #pool: RequestPool
  readonly #desk: RequestDesk
  readonly #proposer: Proposer
  readonly #broadcaster: Broadcaster
  readonly #outbox: Outbox
  readonly #budgets: SenderBudgets
  readonly #inbox: Inbox
  readonly #executions: Executions
  readonly #effects: Effects
  /** Whether a message was dropped since so much waits for the journal. */
  #hasMissed = false
  #readiness: NodeJS.Immediate | undefined

  constructor(parts: RunningParts) {
    this.#parts = parts
    const { deps, options, reporter, journal, core, onFailure } = parts
    const { stateMachine, clock } = deps
    const encoder = new Encoder()
    const queue = (this.#queue = createEventQueue(onFailure))
    const postEvent = (event: ShellEvent): void => driver.post(event)
    this.#broadcaster = new Broadcaster(deps.network, options, reporter)
    const outbox = (this.#outbox = new Outbox(journal, this.#broadcaster, {
      bounds: options,
      snapshot: () => core.durableRecords().map((record) => encoder.record(record)),
      onFailure: (error) => onFailure(new JournalError(error)),
      onAppend: (records) => reporter.appended(records),
      onDrop: () => reporter.droppedUnsent(),
      onFull: (isFull) => this.#onFull(isFull),
    }))
    const isHeldUp = (): boolean => outbox.isFull
    const budgets = (this.#budgets = new SenderBudgets(clock, options, reporter))
    const pool = (this.#pool = new RequestPool(options, stateMachine.clientOf?.bind(stateMachine)))
    const maxRemembered = 2 * options.maxPoolRequests
    const checker = new RequestChecker(stateMachine, { ...options, maxRemembered })
    const desk = (this.#desk = new RequestDesk(
      {
        ...{ pool, checker, stateMachine, clock, budgets, core, isHeldUp },
        ...{ broadcaster: this.#broadcaster, alarm: createTimer(clock, queue), post: postEvent },
        onReady: () => this.#becomeReady(),
        onReject: (from, error) => reporter.rejectedRequest(from, error),
      },
      options,
    ))
    const proposer = (this.#proposer = new Proposer(pool, createTimer(clock, queue), options))
    const onOverflow = (from: number): void => this.#onOverflow(from)
    const signatures = new Signatures(options.n, deps.signer, deps.verifier)
    const inbox = (this.#inbox = new Inbox(options, {
      ...{ signatures, checker, encoder, budgets, core, isHeldUp },
      post: (event) => enqueue(queue, event),
      onForward: (from, request) => void desk.admission.onForward(from, request),
      onReject: (from, code, detail) => reporter.rejected(from, code, detail),
      onOverflow,
    }))
    const executions = (this.#executions = new Executions(stateMachine, {
      executed: (sequence, digest, batch) =>
        postEvent({ type: 'batchExecuted', sequence, digest, batch }),
      failed: (sequence, error) =>
        onFailure(new ExecutionError(`executing ${sequence.toString()}`, error)),
    }))
    const effects = (this.#effects = new Effects(deps, {
      ...{ desk, outbox, executions, signatures, encoder, reporter, journal, core, queue },
      ...{ transferTimeoutMs: options.transferTimeoutMs, fail: onFailure, post: postEvent },
    }))
    const driver = new Driver({
      ...{ queue, core, inbox, effects, desk, proposer, pool, outbox, reporter, onOverflow },
    })
    queue.setReceiver(driver.receive, driver.endBatch)
  }

  /**
   * The first event of the core.
   *
   * @param earlier - what is known of the states before the last executed one
   */
  begin(earlier: string[]): void {
    const { reporter, core, deps } = this.#parts
    reporter.started(this.status())
    const { lastExecuted, view, primary, active } = core.inspect()
    this.#pool.release(lastExecuted)
    this.#desk.onViewChanged({ view, primary, active })
    const query = queryOf(deps.randomBytes ?? randomBytes)
    enqueue(this.#queue, { type: 'start', earlier, query })
    void this.#queue.start()
  }

  async submit(request: Uint8Array, options: SubmitOptions): Promise<SubmitResult> {
    const { deps, reporter } = this.#parts
    const startedAt = deps.clock.now()
    const result = await this.#desk.admission.submit(request, options)
    reporter.submitted(deps.clock.now() - startedAt)
    return result
  }

  receive(from: number, bytes: Uint8Array): PromiseLike<void> | undefined {
    return this.#inbox.receive(from, bytes)
  }

  status(): ReplicaStatus {
    const { deps, options, core, reporter } = this.#parts
    const { view, primary, active, transferring, ...where } = core.inspect()
    const { lowWatermark, highWatermark, lastExecuted, highestKnown, accepted } = where
    const oldest = this.#pool.oldest()
    const { notVoting, isAsking, heardBy, forgetful } = reporter
    return Object.freeze({
      ...{ id: options.id, n: options.n, f: faultsTolerated(options.n) },
      ...{ view, primary, activeView: active, transferring },
      ...{ lowWatermark, highWatermark, lastExecuted, highestKnown, accepted },
      pendingRequests: this.#pool.size,
      oldestRequestMs: oldest === undefined ? 0 : deps.clock.now() - oldest.since,
      ...{ notVoting, isAsking, heardBy, forgetful },
    })
  }

  /** Ends all waits with `reason`; resolves when what was under way has ended, or `signal` cuts that short. */
  async stop(reason: StoppedError, signal: AbortSignal | undefined): Promise<void> {
    void this.#queue.stop()
    this.#desk.stop(reason)
    this.#proposer.stop()
    this.#effects.stop()
    this.#budgets.close()
    this.#inbox.close()
    clearImmediate(this.#readiness)
    await this.#settle(signal)
    this.#broadcaster.close()
  }

  /** Waits for what is being executed and written, until `signal` cuts that short. */
  async #settle(signal: AbortSignal | undefined): Promise<void> {
    const work = Promise.all([this.#executions.idle(), this.#outbox.idle()])
    if (signal === undefined) {
      await work
      return
    }
    let cut: () => void = () => undefined
    const aborted = new Promise<void>((resolve) => (cut = resolve))
    signal.addEventListener('abort', cut)
    if (!signal.aborted) await Promise.race([work, aborted])
    signal.removeEventListener('abort', cut)
  }

  #onFull(isFull: boolean): void {
    this.#parts.reporter.heldUp(isFull, this.status())
    if (isFull) return
    if (this.#hasMissed) enqueue(this.#queue, { type: 'resumed' })
    this.#hasMissed = false
    this.#becomeReady()
  }

  #onOverflow(from: number): void {
    this.#hasMissed ||= this.#outbox.isFull
    this.#parts.reporter.overflowed(from)
  }

  /** Looks for something to propose once the current burst of requests is in. */
  #becomeReady(): void {
    this.#readiness ??= setImmediate(() => {
      this.#readiness = undefined
      enqueue(this.#queue, { type: 'ready' })
    })
  }
}

/** Of 63 bits, so that the next ones are numbers of 64 bits, too. */
function queryOf(random: (count: number) => Uint8Array): bigint {
  return (Buffer.from(random(8)).readBigUInt64BE() >> 1n) | 1n
}
