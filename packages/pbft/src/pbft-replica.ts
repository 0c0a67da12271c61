import { randomBytes } from 'node:crypto'
import { InvariantError, isCodedError } from '@heddle/interface'
import type { AbortOptions, CodedError, LifecycleState } from '@heddle/interface'
import { Broadcaster } from './out/broadcaster.ts'
import { toHex } from './wire/codec.ts'
import type { CoreOptions, JournalRecord, ReplicaEvent } from './core/protocol.ts'
import { faultsTolerated } from './core/quorum.ts'
import { ReplicaCore } from './core/replica-core.ts'
import type { CoreStatus } from './core/replica-core.ts'
import { earlierDigests } from './out/earlier-digests.ts'
import { Effects } from './out/effects.ts'
import { Encoder } from './wire/encoder.ts'
import { ExecutionError, JournalError, StoppedError } from './errors.ts'
import { Executions } from './out/executions.ts'
import { Inbox } from './in/inbox.ts'
import { MarkedJournal } from './out/marked-journal.ts'
import type { ResolvedOptions } from './options.ts'
import { Outbox } from './out/outbox.ts'
import { Proposer } from './requests/proposer.ts'
import { Reporter } from './out/reporter.ts'
import { RequestChecker } from './requests/request-checker.ts'
import { RequestDesk } from './requests/request-desk.ts'
import { RequestPool } from './requests/request-pool.ts'
import { SenderBudgets } from './in/sender-budgets.ts'
import { Signatures } from './in/signatures.ts'
import type {
  Replica,
  ReplicaDependencies,
  ReplicaStatus,
  SubmitOptions,
  SubmitResult,
} from './types.ts'

/** How long a holder of a missing batch may take before the next one is asked. */
const fetchTimeoutMs = 250
/** Most bytes of batches sent again to one replica, in answer to its status messages, in one status interval. */
const maxResendBytes = 32 * 1024 * 1024
/** The same in answer to its fetch-batch messages. Both, and what is new, have room in its send queue. */
const maxFetchBytes = 16 * 1024 * 1024
/** Status intervals without progress, while f + 1 others prove to be ahead, before their state is fetched. */
const stuckIntervals = 3

/** What {@link PbftReplica.status} shows before the journal was read. */
const notStarted: CoreStatus = {
  ...{ view: 0n, primary: 0, active: false, lowWatermark: 0n, highWatermark: 0n },
  ...{ lastExecuted: 0n, highestKnown: 0n, accepted: 0n, transferring: false, failed: false },
  timeoutFactor: 1,
  isVoting: false,
}

/**
 * The shell around {@link ReplicaCore}: one queue of events, handled one at a time to the end, and
 * whatever their effects need of the world. An effect that takes time answers with a later event.
 */
export class PbftReplica implements Replica {
  readonly closed: Promise<Error | undefined>
  readonly #deps: ReplicaDependencies
  readonly #options: ResolvedOptions
  readonly #reporter: Reporter
  readonly #journal: MarkedJournal
  readonly #pool: RequestPool
  readonly #desk: RequestDesk
  readonly #proposer: Proposer
  readonly #broadcaster: Broadcaster
  readonly #outbox: Outbox
  readonly #budgets: SenderBudgets
  readonly #inbox: Inbox
  readonly #executions: Executions
  readonly #effects: Effects
  #core: ReplicaCore | undefined
  #state: LifecycleState = 'idle'
  #events: ReplicaEvent[] = []
  #busy = false
  /** Whether a message was dropped since so much waits for the journal. */
  #hasMissed = false
  #wakeUp: NodeJS.Immediate | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #reason: CodedError | undefined
  #close!: (reason: Error | undefined) => void

  constructor(deps: ReplicaDependencies, options: ResolvedOptions) {
    const { network, stateMachine, clock } = deps
    this.#journal = new MarkedJournal(deps.journal)
    this.#deps = deps
    this.#options = options
    this.closed = new Promise((resolve) => (this.#close = resolve))
    this.#reporter = new Reporter(deps)
    this.#pool = new RequestPool(options, stateMachine.clientOf?.bind(stateMachine))
    const maxRemembered = 2 * options.maxPoolRequests
    const checker = new RequestChecker(stateMachine, { ...options, maxRemembered })
    this.#broadcaster = new Broadcaster(network, options, this.#reporter)
    const encoder = new Encoder()
    const budgets = (this.#budgets = new SenderBudgets(clock, options, this.#reporter))
    this.#desk = new RequestDesk(
      {
        ...{ pool: this.#pool, checker, stateMachine, clock, budgets },
        broadcaster: this.#broadcaster,
        isBehind: () => this.#core?.isBehind() ?? false,
        executedByOthers: () => this.#core?.executedByOthers ?? 0n,
        ...{ isHeldUp: () => this.#outbox.isFull, onReady: () => this.#wake() },
        timeoutFactor: () => this.#core?.timeoutFactor ?? 1,
        awaitsPrimary: () => this.#core?.awaitsPrimary() ?? false,
        onLate: (view, isLate) => this.#post({ type: 'late', view, isLate }),
        onCalm: (view, factor) => this.#post({ type: 'calm', view, factor }),
        onSuspect: (view) => this.#post({ type: 'suspect', view }),
        onReject: (from, error) => this.#reporter.rejectedRequest(from, error),
      },
      options,
    )
    this.#proposer = new Proposer(this.#pool, clock, options, () => this.#drain())
    this.#outbox = new Outbox(this.#journal, this.#broadcaster, {
      bounds: options,
      snapshot: () => (this.#core?.durableRecords() ?? []).map((record) => encoder.record(record)),
      onFailure: (error) => this.#fail(new JournalError(error)),
      onAppend: (records) => this.#reporter.appended(records),
      onDrop: () => this.#reporter.droppedUnsent(),
      onFull: (isFull) => this.#onFull(isFull),
    })
    const signatures = new Signatures(options.n, deps.signer, deps.verifier)
    this.#inbox = new Inbox(options, {
      ...{ signatures, checker, encoder, budgets },
      isHeldUp: () => this.#outbox.isFull,
      wantsPrePrepare: (...args) => this.#core?.wantsPrePrepare(...args) ?? false,
      awaitsCheckpoint: (checkpoint) => this.#core?.awaitsCheckpoint(checkpoint) ?? false,
      wantsBatch: () => this.#core?.wantsBatch() ?? false,
      onMessage: (from, message) => this.#post({ type: 'message', from, message }),
      onForward: (from, request) => void this.#desk.onForward(from, request),
      onReject: (from, code, detail) => this.#reporter.rejected(from, code, detail),
      onOverflow: (from) => this.#onOverflow(from),
    })
    this.#executions = new Executions(stateMachine, {
      executed: (sequence, digest, batch) => {
        this.#desk.onExecuted(sequence, batch)
        this.#reporter.executed(sequence, batch.requests.length, this.#pool)
        this.#post({ type: 'executed', sequence, digest })
        // Only now: what comes of it is for a core that knows what was executed.
        this.#desk.watchExecuted()
      },
      failed: (sequence, error) =>
        this.#fail(new ExecutionError(`executing ${sequence.toString()}`, error)),
    })
    this.#effects = new Effects(deps, {
      ...{ desk: this.#desk, outbox: this.#outbox, executions: this.#executions },
      ...{ signatures, encoder },
      reporter: this.#reporter,
      earlierDigests: (sequence) => this.#earlierDigests(sequence),
      ...{ mark: () => this.#journal.mark(), transferTimeoutMs: options.transferTimeoutMs },
      post: (event) => this.#post(event),
      fail: (error) => this.#fail(error),
    })
  }

  get state(): LifecycleState {
    return this.#state
  }

  start({ signal }: AbortOptions = {}): Promise<void> {
    if (this.#stopping !== undefined) return Promise.reject(new StoppedError())
    this.#starting ??= this.#start(signal).catch((error: unknown) => {
      this.#starting = undefined
      this.#state = 'idle'
      throw error
    })
    return this.#starting
  }

  stop({ signal }: AbortOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(signal)
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async submit(request: Uint8Array, options: SubmitOptions = {}): Promise<SubmitResult> {
    if (this.#state !== 'started') throw this.#stoppedError()
    const startedAt = this.#deps.clock.now()
    const result = await this.#desk.submit(request, options)
    this.#reporter.submitted(this.#deps.clock.now() - startedAt)
    return result
  }

  receive(from: number, bytes: Uint8Array): PromiseLike<void> | undefined {
    return this.#state === 'started' ? this.#inbox.receive(from, bytes) : undefined
  }

  status(): ReplicaStatus {
    const { id, n } = this.#options
    const core = this.#core?.inspect() ?? notStarted
    const { view, primary, active, lowWatermark, highWatermark, lastExecuted } = core
    const { highestKnown, accepted } = core
    return Object.freeze({
      ...{ id, n, f: faultsTolerated(n), view, primary, activeView: active },
      ...{ lowWatermark, highWatermark, lastExecuted, highestKnown, accepted },
      transferring: core.transferring,
      pendingRequests: this.#pool.size,
      oldestRequestMs: this.#oldestRequestMs(),
      notVoting: this.#reporter.notVoting,
      isAsking: this.#reporter.isAsking,
      heardBy: this.#reporter.heardBy,
      forgetful: this.#reporter.forgetful,
    })
  }

  #oldestRequestMs(): number {
    const oldest = this.#pool.oldest()
    return oldest === undefined ? 0 : this.#deps.clock.now() - oldest.since
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    this.#state = 'starting'
    const records = await this.#journal.records()
    this.#checkStarting(signal)
    const { sequence } = this.#deps.stateMachine.lastExecuted()
    const core = this.#openCore(records)
    this.#core = core
    const earlier = await this.#earlierDigests(sequence)
    this.#checkStarting(signal)
    this.#state = 'started'
    this.#reporter.started(this.status())
    this.#pool.release(sequence)
    this.#desk.onViewChanged(core.inspect())
    this.#post({ type: 'start', earlier, query: this.#query() })
  }

  /** Of 63 bits, so that the next ones are numbers of 64 bits, too. */
  #query(): bigint {
    const bytes = (this.#deps.randomBytes ?? randomBytes)(8)
    return (Buffer.from(bytes).readBigUInt64BE() >> 1n) | 1n
  }

  /** A replica that forgot what it said could say the opposite: then it is told so. */
  #openCore(records: readonly JournalRecord[]): ReplicaCore {
    const { stateMachine } = this.#deps
    const { sequence, digest } = stateMachine.lastExecuted()
    const executed = { sequence, digest: toHex(digest) }
    const options = this.#coreOptions()
    const why = this.#journal.whyIncomplete(stateMachine.journalMark?.(), sequence > 0n)
    if (why === undefined) {
      const core = new ReplicaCore(options, records, executed)
      if (sequence <= core.inspect().highWatermark) return core
    }
    this.#reporter.incomplete(why ?? `the journal ends a window before ${sequence}`)
    return new ReplicaCore(options, records, executed, false)
  }

  #coreOptions(): CoreOptions {
    const { checkpointPeriod, logMultiplier, statusIntervalMs } = this.#options
    // All of a window, of one and the same holder, as often as it is asked.
    const maxFetchAnswers =
      checkpointPeriod * logMultiplier * Math.ceil(statusIntervalMs / fetchTimeoutMs)
    const bounds = { maxResendBytes, maxFetchAnswers, maxFetchBytes, stuckIntervals }
    const provesTransfers = this.#deps.stateMachine.provesTransfers ?? false
    return { ...this.#options, ...bounds, fetchTimeoutMs, provesTransfers }
  }

  /** Throws when its start was given up meanwhile. */
  #checkStarting(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted()
    if (this.#stopping !== undefined) throw this.#stoppedError()
  }

  #earlierDigests(sequence: bigint): Promise<string[]> {
    const lowWatermark = this.#core?.inspect().lowWatermark ?? 0n
    return earlierDigests(this.#deps.stateMachine, sequence, lowWatermark)
  }

  async #stop(signal: AbortSignal | undefined): Promise<void> {
    const wasIdle = this.#state === 'idle'
    this.#state = 'stopping'
    this.#desk.stop(this.#stoppedError())
    this.#proposer.stop()
    this.#effects.stop()
    this.#budgets.close()
    clearImmediate(this.#wakeUp)
    if (!wasIdle) await this.#settle(signal)
    this.#broadcaster.close()
    this.#state = 'stopped'
    this.#close(this.#reason)
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

  #stoppedError(): StoppedError {
    return new StoppedError(this.#reason === undefined ? undefined : { cause: this.#reason })
  }

  #fail(error: CodedError): void {
    if (this.#reason !== undefined || this.#state === 'stopped') return
    this.#reason = error
    this.#reporter.broken(error, this.status())
    void this.stop()
  }

  #onFull(isFull: boolean): void {
    this.#reporter.heldUp(isFull, this.status())
    if (isFull) return
    if (this.#hasMissed) this.#post({ type: 'resumed' })
    this.#hasMissed = false
    this.#wake()
  }

  #onOverflow(from: number): void {
    this.#hasMissed ||= this.#outbox.isFull
    this.#reporter.overflowed(from)
  }

  /** Looks for something to propose once the current burst of requests is in. */
  #wake(): void {
    this.#wakeUp ??= setImmediate(() => {
      this.#wakeUp = undefined
      this.#drain()
    })
  }

  #post(event: ReplicaEvent): void {
    if (this.#state !== 'started') return
    this.#events.push(event)
    this.#drain()
  }

  #drain(): void {
    const core = this.#core
    // Posted from inside an effect, an event waits its turn.
    if (this.#busy || core === undefined || this.#state !== 'started') return
    this.#busy = true
    try {
      this.#handleEvents(core)
      while (!this.#outbox.isFull) {
        const batch = this.#proposer.next(core)
        if (batch === undefined) break
        this.#events.push({ type: 'propose', batch })
        this.#handleEvents(core)
      }
      this.#outbox.flush()
      this.#desk.observe()
    } catch (error) {
      this.#fail(isCodedError(error) ? error : new InvariantError('step failed', { cause: error }))
    } finally {
      this.#busy = false
    }
  }

  #handleEvents(core: ReplicaCore): void {
    for (let at = 0; at < this.#events.length; at++) {
      const event = this.#events[at]
      if (event === undefined) continue
      for (const effect of core.step(event)) this.#effects.perform(effect)
    }
    this.#events = []
  }
}
