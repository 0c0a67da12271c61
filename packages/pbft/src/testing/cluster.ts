import { VirtualClock } from '@heddle/events/testing'
import type { Clock, ClockTimer } from '@heddle/interface'
import { createReplica } from '../replica.ts'
import { requestDigest } from '../request-batch.ts'
import type { Replica, ReplicaNotification, ReplicaOptions, ReplicaStatus } from '../types.ts'
import { behaviours } from './behaviours.ts'
import type { BehaviourName } from './behaviours.ts'
import { checkSafety, SimulationError } from './checkers.ts'
import type { Observation } from './checkers.ts'
import { MemoryJournal } from './memory-journal.ts'
import { MemoryStateMachine } from './memory-state-machine.ts'
import { Random } from './random.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import type { NetworkFaults } from './simulated-network.ts'
import { TestKeys } from './test-keys.ts'
import { Witness } from './witness.ts'

/** What a {@link Cluster} is like. The same options give the same run. */
export interface ClusterOptions {
  /** N; default 4. */
  readonly n?: number
  /** Where all randomness comes from; default 1. */
  readonly seed?: number
  /** Default: 1 to 10 ms, nothing lost or duplicated. */
  readonly faults?: Partial<NetworkFaults>
  /** Settings of every replica. */
  readonly replica?: Partial<ReplicaOptions>
  /** How long a durable append, and an execution, take; default 1 and 1. */
  readonly appendMs?: number
  readonly executeMs?: number
  /** The id of a request; default: hex of its SHA-256. */
  readonly idOf?: (request: Uint8Array) => string
  /** Which replicas lie, and how; at most f of them, or nothing is promised. */
  readonly liars?: Readonly<Record<number, BehaviourName>>
  /** Told everything that any replica reports. */
  readonly onEvent?: (replica: number, event: ReplicaNotification) => void
}

/** What became of a submitted request. */
export interface Submission {
  readonly request: Uint8Array
  readonly to: number
  outcome: 'pending' | 'executed' | 'failed'
  error?: unknown
}

/** Most records of an unfinished append that a crash leaves in a journal. */
const maxTornRecords = 4

interface Member {
  readonly journal: MemoryJournal
  readonly machine: MemoryStateMachine
  replica: Replica | undefined
  /** Ends with a crash: what the dead replica still wants to do has no effect. */
  life: { alive: boolean }
}

/**
 * N replicas with all their parts but the wires: a seeded network that misbehaves, a clock that
 * moves when told, journals and state machines that survive a crash and lose what was under way.
 *
 * Safety is checked again and again while it runs; a violation throws with the seed.
 */
export class Cluster {
  readonly clock = new VirtualClock()
  readonly network: SimulatedNetwork
  readonly random: Random
  readonly n: number
  readonly seed: number
  readonly submissions: Submission[] = []
  readonly keys = new TestKeys()
  readonly #options: ClusterOptions
  readonly #idOf: (request: Uint8Array) => string
  readonly #members: Member[] = []
  readonly #observations: Observation[] = []
  readonly #witness: Witness

  constructor(options: ClusterOptions = {}) {
    this.#options = options
    this.#idOf = options.idOf ?? requestDigest
    this.n = options.n ?? 4
    this.#witness = new Witness(this.n)
    this.seed = options.seed ?? 1
    this.random = new Random(this.seed)
    const faults = { minDelayMs: 1, maxDelayMs: 10, loss: 0, duplication: 0, ...options.faults }
    this.network = new SimulatedNetwork(this.clock, this.random, faults)
    for (let id = 0; id < this.n; id++) this.#members.push(this.#createMember())
    for (const [id, name] of Object.entries(options.liars ?? {})) {
      const signer = this.keys.signer(Number(id))
      const liar = { id: Number(id), random: this.random, signer }
      this.network.corrupt(Number(id), behaviours[name], liar)
    }
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
    member.machine.crash()
    this.network.disconnect(id)
    // A view or a watermark that it had not told anybody about may be forgotten.
    const before = this.#observations[id]
    if (before !== undefined) this.#observations[id] = { ...before, view: 0n, lowWatermark: 0n }
    for (const submission of this.submissions) {
      if (submission.to === id && submission.outcome === 'pending') submission.outcome = 'failed'
    }
  }

  isRunning(id: number): boolean {
    return this.#member(id).replica !== undefined
  }

  status(id: number): ReplicaStatus {
    return this.replica(id).status()
  }

  replica(id: number): Replica {
    const { replica } = this.#member(id)
    if (replica === undefined) throw this.#error(`replica ${id} is not running`)
    return replica
  }

  machine(id: number): MemoryStateMachine {
    return this.#member(id).machine
  }

  journal(id: number): MemoryJournal {
    return this.#member(id).journal
  }

  /** Submits a request named `name` to a running replica. */
  submit(to: number, name: string): Submission {
    const submission: Submission = { request: Buffer.from(name), to, outcome: 'pending' }
    this.submissions.push(submission)
    this.replica(to)
      .submit(submission.request)
      .then(
        ({ id, executedBefore }) => {
          // Perhaps another one under this id: its owner has to look, as here.
          const executed = executedBefore ? this.machine(to).requestOf(id) : submission.request
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

  /** Progress: every request pending at a correct replica is executed, and all get level. */
  async runUntilLevel(maxMs: number): Promise<void> {
    await this.runUntil(() => this.#isLevel(), maxMs, 'progress')
  }

  /**
   * @throws {SimulationError} when agreement, exactly-once, validity or an order is violated, or a
   * correct replica contradicts what it ever said
   */
  check(): void {
    const correct = this.correct
    const problem =
      this.#witness.problem ??
      checkSafety({
        machines: correct.map((id) => {
          const machine = this.machine(id)
          return { id, history: machine.history, requestOf: (of) => machine.requestOf(of) }
        }),
        submissions: this.submissions,
        statuses: correct
          .filter((id) => this.isRunning(id))
          .map((id) => ({ id, status: this.status(id), machine: this.machine(id) })),
        observations: this.#observations,
        idOf: this.#idOf,
        hasLiars: correct.length < this.n,
      })
    if (problem !== undefined) throw this.#error(`${problem}\n${this.describe()}`)
  }

  /** Where everybody is, for people. */
  describe(): string {
    const lines = this.#members.map(({ replica, machine }, id) => {
      if (replica === undefined) return `replica ${id}: down, executed ${machine.history.length}`
      const s = replica.status()
      const view = `${s.view.toString()}${s.activeView ? '' : ' (changing)'}`
      const marks = `h ${s.lowWatermark.toString()}, executed ${s.lastExecuted.toString()}`
      return `replica ${id}: view ${view}, ${marks}, pending ${s.pendingRequests}, ${replica.state}`
    })
    return [...lines, `time ${this.clock.now()} ms, delivered ${this.network.delivered}`].join('\n')
  }

  async stop(): Promise<void> {
    const ids = this.#members.map((_, id) => id).filter((id) => this.isRunning(id))
    // What is under way needs the clock to end.
    const signal = AbortSignal.abort()
    await Promise.all(ids.map((id) => this.replica(id).stop({ signal })))
  }

  #createMember(): Member {
    const { appendMs = 1, executeMs = 1 } = this.#options
    const { clock } = this
    const idOf = this.#idOf
    return {
      journal: new MemoryJournal({ clock, appendMs }),
      machine: new MemoryStateMachine({
        ...{ clock, executeMs, idOf },
        source: (id) => this.#source(id),
      }),
      replica: undefined,
      life: { alive: false },
    }
  }

  #source(id: number): MemoryStateMachine | undefined {
    return this.isRunning(id) && this.correct.includes(id) ? this.machine(id) : undefined
  }

  async #start(id: number): Promise<void> {
    const member = this.#member(id)
    if (member.replica !== undefined) return
    const life = { alive: true }
    member.life = life
    const network = this.network.port(id)
    const replica = createReplica(
      {
        network: {
          send: (to, bytes) =>
            whileAlive(life, () => {
              if (this.correct.includes(id)) this.#witness.hears(id, bytes)
              return network.send(to, bytes)
            }),
        },
        journal: {
          append: (records) => whileAlive(life, () => member.journal.append(records)),
          rewrite: (records) => whileAlive(life, () => member.journal.rewrite(records)),
          records: () => member.journal.records(),
        },
        stateMachine: {
          check: (...args) => member.machine.check(...args),
          isExecuted: (executed) => member.machine.isExecuted(executed),
          execute: (...args) => whileAlive(life, () => member.machine.execute(...args)),
          lastExecuted: () => member.machine.lastExecuted(),
          transfer: (target) => whileAlive(life, () => member.machine.transfer(target)),
        },
        verifier: this.keys,
        signer: this.keys.signer(id),
        clock: clockWhileAlive(this.clock, life),
        onEvent: (event) => life.alive && this.#options.onEvent?.(id, event),
      },
      { ...this.#options.replica, id, n: this.n },
    )
    member.replica = replica
    this.network.connect(id, (from, bytes) => replica.receive(from, bytes))
    await replica.start()
  }

  #isLevel(): boolean {
    const running = this.correct.filter((id) => this.isRunning(id))
    const heights = running.map((id) => this.machine(id).lastExecuted().sequence)
    const isSettled = this.submissions.every(
      (s) => s.outcome !== 'pending' || !running.includes(s.to),
    )
    return isSettled && heights.every((height) => height === heights[0])
  }

  #member(id: number): Member {
    const member = this.#members[id]
    if (member === undefined) throw this.#error(`there is no replica ${id}`)
    return member
  }

  #error(problem: string): SimulationError {
    return new SimulationError(this.seed, problem)
  }
}

/** What a dead replica still tries to do never happens. */
function whileAlive<T>(life: { alive: boolean }, act: () => Promise<T>): Promise<T> {
  return life.alive ? act() : new Promise(() => undefined)
}

function clockWhileAlive(clock: Clock, life: { alive: boolean }): Clock {
  return {
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    schedule: (delayMs: number, callback: () => void): ClockTimer =>
      clock.schedule(delayMs, () => {
        if (life.alive) callback()
      }),
  }
}
