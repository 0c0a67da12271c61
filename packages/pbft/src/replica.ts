import type { AbortOptions, CodedError, LifecycleState } from '@heddle/interface'
import { checkPorts } from './check-ports.ts'
import { faultsTolerated } from './core/quorum.ts'
import { StoppedError } from './errors.ts'
import { resolveReplicaOptions } from './options.ts'
import type { ResolvedOptions } from './options.ts'
import { earlierDigests } from './out/earlier-digests.ts'
import { MarkedJournal } from './out/marked-journal.ts'
import { Reporter } from './out/reporter.ts'
import { restoreCore } from './restore-core.ts'
import { RunningReplica } from './running-replica.ts'
import type {
  Replica,
  ReplicaDependencies,
  ReplicaOptions,
  ReplicaStatus,
  SubmitOptions,
  SubmitResult,
} from './types.ts'

/**
 * Makes a replica; nothing runs before {@link Replica.start}.
 *
 * @throws {InvalidOptionsError} PBFT_INVALID_OPTIONS, naming the option, or the port and its method
 */
export function createReplica(deps: ReplicaDependencies, options: ReplicaOptions): Replica {
  checkPorts(deps)
  return new PbftReplica(deps, resolveReplicaOptions(options))
}

/** The life of a replica: what runs in it is a {@link RunningReplica}, made once the journal was read. */
class PbftReplica implements Replica {
  readonly closed: Promise<Error | undefined>
  readonly #deps: ReplicaDependencies
  readonly #options: ResolvedOptions
  readonly #reporter: Reporter
  #running: RunningReplica | undefined
  #state: LifecycleState = 'idle'
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #reason: CodedError | undefined
  #close!: (reason: Error | undefined) => void

  constructor(deps: ReplicaDependencies, options: ResolvedOptions) {
    this.#deps = deps
    this.#options = options
    this.#reporter = new Reporter(deps)
    this.closed = new Promise((resolve) => (this.#close = resolve))
  }

  get state(): LifecycleState {
    return this.#state
  }

  start({ signal }: AbortOptions = {}): Promise<void> {
    if (this.#stopping !== undefined) return Promise.reject(new StoppedError())
    this.#starting ??= this.#start(signal).catch((error: unknown) => {
      this.#starting = undefined
      if (this.#stopping === undefined) this.#state = 'idle'
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
    if (this.#running === undefined || this.#state !== 'started') throw this.#stoppedError()
    return await this.#running.submit(request, options)
  }

  receive(from: number, bytes: Uint8Array): PromiseLike<void> | undefined {
    return this.#state === 'started' ? this.#running?.receive(from, bytes) : undefined
  }

  status(): ReplicaStatus {
    return this.#running?.status() ?? statusBefore(this.#options)
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    this.#state = 'starting'
    const [deps, options, reporter] = [this.#deps, this.#options, this.#reporter]
    const { stateMachine } = deps
    const journal = new MarkedJournal(deps.journal)
    const records = await journal.records()
    this.#checkStarting(signal)
    const core = restoreCore(records, { deps, options, journal, reporter })
    const { lastExecuted, lowWatermark } = core.inspect()
    const earlier = await earlierDigests(stateMachine, lastExecuted, lowWatermark)
    this.#checkStarting(signal)
    const onFailure = (error: CodedError): void => this.#fail(error)
    this.#running = new RunningReplica({ deps, options, reporter, journal, core, onFailure })
    this.#state = 'started'
    this.#running.begin(earlier)
  }

  /** Throws when its start was given up meanwhile. */
  #checkStarting(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted()
    if (this.#stopping !== undefined) throw this.#stoppedError()
  }

  async #stop(signal: AbortSignal | undefined): Promise<void> {
    this.#state = 'stopping'
    await this.#running?.stop(this.#stoppedError(), signal)
    this.#state = 'stopped'
    this.#close(this.#reason)
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
}

function statusBefore({ id, n }: ResolvedOptions): ReplicaStatus {
  return Object.freeze({
    ...{ id, n, f: faultsTolerated(n), view: 0n, primary: 0, activeView: false },
    ...{ lowWatermark: 0n, highWatermark: 0n, lastExecuted: 0n, highestKnown: 0n, accepted: 0n },
    ...{ transferring: false, pendingRequests: 0, oldestRequestMs: 0 },
    ...{ notVoting: undefined, isAsking: false, heardBy: [], forgetful: [] },
  })
}
