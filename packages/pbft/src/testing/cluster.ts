import { VirtualClock } from '@heddle/events/testing'
import { createReplica } from '../replica.ts'
import { requestDigest } from '../wire/request-batch.ts'
import type { StateMachine } from '../ports.ts'
import type { Replica, ReplicaOptions, ReplicaStatus } from '../types.ts'
import { behaviours, slowSourceMs } from './behaviours.ts'
import { checkSafety, SimulationError } from './checkers.ts'
import type { Observation } from './checkers.ts'
import type {
  ClusterOptions,
  DiskCopy,
  MachineFactory,
  MachineParts,
  Submission,
} from './cluster-options.ts'
import { ExecutionLog } from './execution-log.ts'
import { clockOf, journalOf, machineOf, whileAlive } from './life.ts'
import type { Life } from './life.ts'
import { MemoryJournal } from './memory-journal.ts'
import { MemoryStateMachine } from './memory-state-machine.ts'
import { Random } from './random.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { TestKeys } from './test-keys.ts'
import { resolveReplicaOptions } from '../options.ts'
import { Witness } from './witness.ts'

/** Most records of an unfinished append that a crash leaves in a journal. */
const maxTornRecords = 4

interface Member<M> {
  readonly journal: MemoryJournal
  readonly disk: MemoryJournal
  /** Of its last life; none before the first one. */
  machine: M | undefined
  replica: Replica | undefined
  life: Life
}

/** Milliseconds in which every replica gets to where another is now, unless it is held up. */
const settlingMs = 5_000

/**
 * N replicas with all their parts but the wires: a seeded network that misbehaves, a clock that
 * moves when told, journals and state machines that survive a crash and lose what was under way.
 *
 * Safety is checked again and again while it runs; a violation throws with the seed.
 */
export class Cluster<M extends StateMachine = MemoryStateMachine> {
  /** Moves by {@link run} and its kin. */
  readonly clock = new VirtualClock()
  /** To cut it, to filter its messages, and for a digest of the whole run. */
  readonly network: SimulatedNetwork
  /** For choices of the test, so that the seed decides them too. */
  readonly random: Random
  readonly n: number
  readonly seed: number
  /** All that was submitted, in order. */
  readonly submissions: Submission[] = []
  /** Sign and verify for all replicas. */
  readonly keys = new TestKeys()
  /** Apart, so that starts do not change what else is random. */
  readonly #queries: Random
  readonly #options: ClusterOptions<M>
  readonly #makeMachine: MachineFactory<M>
  readonly #idOf: (request: Uint8Array) => string
  readonly #members: Member<M>[] = []
  readonly #observations: Observation[] = []
  readonly #witness: Witness
  readonly #submitted = new Set<string>()
  readonly #log: ExecutionLog

  constructor(options: ClusterOptions<M> = {}) {
    this.#options = options
    // Without a state machine of one's own, M is what its default says.
    const remembering: unknown = this.#memoryMachine.bind(this)
    this.#makeMachine = options.stateMachine ?? (remembering as MachineFactory<M>)
    const idOf = options.idOf ?? requestDigest
    this.#idOf = idOf
    // Liars may bring in requests of their own.
    const hasLiars = Object.keys(options.liars ?? {}).length > 0
    const isSubmitted = (id: string): boolean => hasLiars || this.#submitted.has(id)
    this.#log = new ExecutionLog({ idOf, isSubmitted })
    this.n = options.n ?? 4
    this.#witness = new Witness(this.n)
    this.seed = options.seed ?? 1
    this.random = new Random(this.seed)
    this.#queries = new Random(this.seed)
    const faults = { minDelayMs: 1, maxDelayMs: 10, loss: 0, duplication: 0, ...options.faults }
    this.network = new SimulatedNetwork(this.clock, this.random, faults)
    for (let id = 0; id < this.n; id++) this.#members.push(this.#createMember())
    for (const [id, name] of Object.entries(options.liars ?? {})) {
      const signer = this.keys.signer(Number(id))
      const { requestTimeoutMs: timeoutMs } = resolveReplicaOptions({
        ...{ ...options.replica, id: 0, n: this.n },
      })
      const { random, clock } = this
      const liar = { id: Number(id), random, signer, clock, timeoutMs }
      this.network.corrupt(Number(id), behaviours[name], liar)
    }
  }

  /** Settings of every replica. */
  get replicaOptions(): Partial<ReplicaOptions> {
    return this.#options.replica ?? {}
  }

  /** The replicas that follow the protocol. */
  get correct(): number[] {
    const liars = this.#options.liars ?? {}
    return this.#members.map((_, id) => id).filter((id) => !(id in liars))
  }

  /** Starts those that are not running. */
  async start(...ids: number[]): Promise<void> {
    const chosen = ids.length > 0 ? ids : this.#members.map((_, id) => id)
    for (const id of chosen) await this.#start(id)
  }

  /** As `kill -9`: the replica loses all but what is durable, which may be half of what it was writing. */
  crash(id: number): void {
    const member = this.#member(id)
    member.life.alive = false
    member.replica = undefined
    member.journal.crash(this.random.between(0, maxTornRecords))
    member.disk.crash()
    // This one has no disk; it survives as it is.
    if (member.machine instanceof MemoryStateMachine) member.machine.crash()
    this.network.disconnect(id)
    // A view or a watermark that it had not told anybody about may be forgotten.
    const before = this.#observations[id]
    if (before !== undefined) this.#observations[id] = { ...before, view: 0n, lowWatermark: 0n }
    for (const submission of this.submissions) {
      if (submission.to === id && submission.outcome === 'pending') submission.outcome = 'failed'
    }
  }

  /**
   * {@link crash}, and the disk loses the last `records` of its journal, by default all. It notices
   * the former only, see {@link MemoryJournal.lose}; the replica finds out by the mark that it keeps
   * with the state, if it executed anything.
   */
  crashAndForget(id: number, records?: number): void {
    this.crash(id)
    this.journal(id).lose(records, records !== undefined)
    this.#witness.forgets(id)
  }

  /** What is durable now. */
  async copyDisk(id: number): Promise<DiskCopy> {
    const { journal, disk, machine } = this.#member(id)
    const state = machine instanceof MemoryStateMachine ? machine.copy() : undefined
    return { journal: await journal.records(), disk: await disk.records(), state }
  }

  /** {@link crash}, and what it keeps is a copy of earlier times from now on, by default nothing. */
  crashAndSetBack(id: number, copy?: DiskCopy): void {
    this.crash(id)
    const { journal, disk, machine } = this.#member(id)
    journal.setBack(copy?.journal ?? [])
    disk.setBack(copy?.disk ?? [])
    if (machine instanceof MemoryStateMachine) machine.setBack(copy?.state)
    this.#witness.forgets(id, this.replicaOptions.acceptLoss)
    this.#log.setBack(id)
    this.#observations[id] = { view: 0n, lowWatermark: 0n, lastExecuted: 0n }
    // It has forgotten what it acknowledged; the others have not.
    for (const submission of this.submissions)
      if (submission.to === id && submission.outcome === 'executed') submission.outcome = 'failed'
  }

  /** Whether it was started and has not crashed since. */
  isRunning(id: number): boolean {
    return this.#member(id).replica !== undefined
  }

  /** @throws {SimulationError} when it is not running */
  status(id: number): ReplicaStatus {
    return this.replica(id).status()
  }

  /** @throws {SimulationError} when it is not running */
  replica(id: number): Replica {
    const { replica } = this.#member(id)
    if (replica === undefined) throw this.#error(`replica ${id} is not running`)
    return replica
  }

  /** The state machine of the last life of a replica. */
  machine(id: number): M {
    const { machine } = this.#member(id)
    if (machine === undefined) throw this.#error(`replica ${id} was never started`)
    return machine
  }

  /** What the consensus of a replica keeps over its lives. */
  journal(id: number): MemoryJournal {
    return this.#member(id).journal
  }

  /** Submits a request, or the bytes of a text as one, to a running replica. */
  submit(to: number, content: string | Uint8Array): Submission {
    const request = typeof content === 'string' ? Buffer.from(content) : content
    const submission: Submission = { request, to, outcome: 'pending' }
    this.submissions.push(submission)
    this.#submitted.add(this.#idOf(request))
    this.replica(to)
      .submit(submission.request)
      .then(
        ({ id, executedBefore }) => {
          // Perhaps another one under this id: its owner has to look, as here.
          const executed = executedBefore ? this.#log.requestOf(id) : submission.request
          const isThis = executed && Buffer.compare(executed, submission.request) === 0
          submission.outcome = isThis ? 'executed' : 'failed'
        },
        (error: unknown) => {
          submission.outcome = 'failed'
          submission.error = error
        },
      )
    return submission
  }

  /** Lets time pass, checking safety every `stepMs`. */
  async run(ms: number, stepMs = 250): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      await this.clock.advance(Math.min(left, stepMs))
      this.check()
    }
  }

  /** Lets time pass until `isDone`, at most `maxMs`; throws with the seed when it does not come. */
  async runUntil(isDone: () => boolean, maxMs: number, what: string): Promise<void> {
    for (let passed = 0; passed < maxMs; passed += 50) {
      if (isDone()) return
      await this.run(50, 50)
    }
    if (isDone()) return
    throw this.#error(`${what} did not happen in ${maxMs} ms\n${this.describe()}`)
  }

  /**
   * Progress: every request pending at a correct replica is executed, and all reach the same height. While a liar gives
   * in ever more, that is where the first of them was {@link settlingMs} before.
   */
  async runUntilLevel(maxMs: number): Promise<void> {
    let goal: bigint | undefined
    let since = 0
    const isLevel = (): boolean => {
      if (!this.#isSettled()) return false
      const heights = this.#heights()
      if (goal === undefined) {
        goal = heights.reduce((a, b) => (a > b ? a : b), 0n)
        since = this.clock.now()
      }
      const least = goal
      if (heights.every((height) => height === heights[0])) return true
      return this.clock.now() - since >= settlingMs && heights.every((height) => height >= least)
    }
    await this.runUntil(isLevel, maxMs, 'progress')
  }

  /**
   * @throws {SimulationError} when agreement, validity, the order of executions or of views is
   * violated, an acknowledged request is lost, or a correct replica contradicts what it ever said
   */
  check(): void {
    const correct = this.correct
    const problem =
      this.#witness.problem ??
      this.#log.problem ??
      checkSafety({
        submissions: this.submissions.filter(({ to }) => correct.includes(to)),
        isExecuted: ({ to, request }) => this.#hasExecuted(to, request),
        statuses: correct
          .filter((id) => this.isRunning(id))
          .map((id) => ({ id, status: this.status(id) })),
        observations: this.#observations,
      })
    if (problem !== undefined) throw this.#error(`${problem}\n${this.describe()}`)
  }

  /** Where everybody is, for people. */
  describe(): string {
    const lines = this.#members.map(({ replica, machine }, id) => {
      const executed = (machine?.lastExecuted().sequence ?? 0n).toString()
      if (replica === undefined) return `replica ${id}: down, executed ${executed}`
      const s = replica.status()
      const view = `${s.view.toString()}${s.activeView ? '' : ' (changing)'}`
      const marks = `h ${s.lowWatermark.toString()}, executed ${s.lastExecuted.toString()}`
      return `replica ${id}: view ${view}, ${marks}, pending ${s.pendingRequests}, ${replica.state}`
    })
    return [...lines, `time ${this.clock.now()} ms, delivered ${this.network.delivered}`].join('\n')
  }

  /** Stops those that run, at once. */
  async stop(): Promise<void> {
    const ids = this.#members.map((_, id) => id).filter((id) => this.isRunning(id))
    // What is under way needs the clock to end.
    const signal = AbortSignal.abort()
    await Promise.all(ids.map((id) => this.replica(id).stop({ signal })))
  }

  #createMember(): Member<M> {
    const { appendMs = 1, executeMs = 1 } = this.#options
    const { clock } = this
    return {
      journal: new MemoryJournal({ clock, appendMs }),
      disk: new MemoryJournal({ clock, appendMs: executeMs }),
      machine: undefined,
      replica: undefined,
      life: { alive: false },
    }
  }

  /** One for all lives of a replica. */
  #memoryMachine({ id, machineOf }: MachineParts<MemoryStateMachine>): MemoryStateMachine {
    const { machine } = this.#member(id)
    if (machine instanceof MemoryStateMachine) return machine
    const { executeMs = 1, clientOf = () => '' } = this.#options
    const { clock } = this
    const sourceMs = (from: number): number => (this.#isSlowSource(from) ? slowSourceMs : 0)
    return new MemoryStateMachine({
      ...{ clock, executeMs, idOf: this.#idOf, clientOf },
      ...{ source: machineOf, sourceMs },
    })
  }

  #source(id: number): M | undefined {
    const gives = this.correct.includes(id) || this.#isSlowSource(id)
    return this.isRunning(id) && gives ? this.machine(id) : undefined
  }

  #isSlowSource(id: number): boolean {
    return this.#options.liars?.[id] === 'slowSource'
  }

  /** Whether `replica` executed these very bytes. */
  #hasExecuted(replica: number, request: Uint8Array): boolean {
    const id = this.#idOf(request)
    const ordered = this.#log.requestOf(id)
    const isThis = ordered !== undefined && Buffer.compare(ordered, request) === 0
    return isThis && this.machine(replica).isExecuted(id)
  }

  async #start(id: number): Promise<void> {
    const member = this.#member(id)
    if (member.replica !== undefined) return
    const life = { alive: true }
    member.life = life
    const network = this.network.port(id)
    const isCorrect = this.correct.includes(id)
    const machine = await this.#makeMachine({
      ...{ id, disk: journalOf(life, member.disk) },
      machineOf: (from) => this.#source(from),
    })
    member.machine = machine
    const log = isCorrect ? this.#log : undefined
    log?.starts(id, machine.lastExecuted())
    const replica = createReplica(
      {
        network: {
          send: (to, bytes) =>
            whileAlive(life, () => {
              if (isCorrect)
                this.#witness.hears(id, bytes, replica.status().notVoting === undefined)
              return network.send(to, bytes)
            }),
        },
        journal: journalOf(life, member.journal),
        stateMachine: machineOf(life, id, machine, log),
        verifier: this.keys,
        signer: this.keys.signer(id),
        clock: clockOf(life, this.clock),
        randomBytes: (count) =>
          Uint8Array.from({ length: count }, () => this.#queries.between(0, 255)),
        onEvent: (event) => life.alive && this.#options.onEvent?.(id, event),
      },
      { ...this.#options.replica, ...this.#options.replicaOf?.(id), id, n: this.n },
    )
    member.replica = replica
    this.network.connect(id, (from, bytes) => replica.receive(from, bytes))
    await replica.start()
  }

  /** Whether nothing is pending at a correct replica that runs. */
  #isSettled(): boolean {
    const running = this.correct.filter((id) => this.isRunning(id))
    return this.submissions.every((s) => s.outcome !== 'pending' || !running.includes(s.to))
  }

  /** How far those have executed. */
  #heights(): bigint[] {
    const running = this.correct.filter((id) => this.isRunning(id))
    return running.map((id) => this.machine(id).lastExecuted().sequence)
  }

  #member(id: number): Member<M> {
    const member = this.#members[id]
    if (member === undefined) throw this.#error(`there is no replica ${id}`)
    return member
  }

  #error(problem: string): SimulationError {
    return new SimulationError(this.seed, problem)
  }
}
