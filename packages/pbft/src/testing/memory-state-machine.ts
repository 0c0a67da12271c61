import { createHash, hash } from 'node:crypto'
import { CodedError } from '@heddle/interface'
import type { Clock } from '@heddle/interface'
import type {
  CheckPurpose,
  StateMachine,
  StatePoint,
  TransferOptions,
  TransferTarget,
} from '../ports.ts'

/** One executed sequence number. */
export interface ExecutedBatch {
  readonly sequence: bigint
  /** Ids executed here: those not executed before. */
  readonly ids: readonly string[]
  readonly requests: readonly Uint8Array[]
  /** Of the state after it. */
  readonly digest: Uint8Array
}

/** What a {@link MemoryStateMachine} takes, and how long. */
export interface MemoryStateMachineOptions {
  /** With a clock, an execution takes so long; without, a microtask. */
  readonly clock?: Clock
  /** Default 0. */
  readonly executeMs?: number
  /** Refuses requests; by default those that are empty. */
  readonly isValid?: (request: Uint8Array, purpose: CheckPurpose) => boolean
  /** The id of a request; default: hex of its SHA-256. */
  readonly idOf?: (request: Uint8Array) => string
  /** Whose a request is; default: it knows no clients. */
  readonly clientOf?: (request: Uint8Array) => string
  /** The state machine of another replica: where a state transfer copies from. */
  readonly source?: (replica: number) => MemoryStateMachine | undefined
  /** With a clock: how long a replica takes to give one batch to a state transfer; default 0. */
  readonly sourceMs?: (replica: number) => number
}

/** All that a {@link MemoryStateMachine} keeps. */
export interface MemoryState {
  readonly history: readonly ExecutedBatch[]
  readonly executed: ReadonlyMap<string, Uint8Array>
  readonly mark: Uint8Array | undefined
}

/** The request is none that the service takes. */
export class InvalidRequestError extends CodedError<'TEST_INVALID_REQUEST'> {
  constructor() {
    super('TEST_INVALID_REQUEST', 'not a valid request')
  }
}

/** No replica that was asked has the state. */
export class NoSourceError extends CodedError<'TEST_NO_SOURCE'> {
  constructor() {
    super('TEST_NO_SOURCE', 'nobody has that state')
  }
}

/**
 * A service that only remembers: the id of a request is its SHA-256, the state digest chains all
 * that was executed. Durable over {@link MemoryStateMachine.crash}, but for what was under way.
 */
export class MemoryStateMachine implements StateMachine {
  /** As the options say; none without. */
  readonly clientOf?: (request: Uint8Array) => string
  readonly #options: MemoryStateMachineOptions
  readonly #executed = new Map<string, Uint8Array>()
  readonly #history: ExecutedBatch[] = []
  #tail: Promise<void> = Promise.resolve()
  #life = 0
  #mark: Uint8Array | undefined
  /** How often {@link check} was called. */
  checks = 0

  constructor(options: MemoryStateMachineOptions = {}) {
    this.#options = options
    if (options.clientOf !== undefined) this.clientOf = options.clientOf
  }

  /** Everything executed, in order. */
  get history(): readonly ExecutedBatch[] {
    return this.#history
  }

  /** Every id executed, in order. */
  get executedIds(): string[] {
    return this.#history.flatMap((batch) => batch.ids)
  }

  check(request: Uint8Array, purpose: CheckPurpose = 'intake'): Promise<string> {
    this.checks++
    const isValid = this.#options.isValid ?? ((bytes: Uint8Array) => bytes.length > 0)
    return isValid(request, purpose)
      ? Promise.resolve(this.#idOf(request))
      : Promise.reject(new InvalidRequestError())
  }

  isExecuted(id: string): boolean {
    return this.#executed.has(id)
  }

  /** The request that was executed under an id; undefined when none was. */
  requestOf(id: string): Uint8Array | undefined {
    return this.#executed.get(id)
  }

  lastExecuted(): StatePoint {
    const last = this.#history.at(-1)
    return last ?? { sequence: 0n, digest: new Uint8Array(32) }
  }

  earlierDigests(downTo: bigint): Promise<Uint8Array[]> {
    const earlier = this.#history.slice(0, -1).filter(({ sequence }) => sequence >= downTo)
    return Promise.resolve(earlier.map(({ digest }) => digest).reverse())
  }

  /** It copies from what the cluster gives it: states of correct replicas alone. */
  readonly provesTransfers = true

  journalMark(): Uint8Array | undefined {
    return this.#mark
  }

  async execute(
    sequence: bigint,
    requests: readonly Uint8Array[],
    mark?: Uint8Array,
  ): Promise<Uint8Array> {
    const life = this.#life
    const turn = this.#tail.then(async () => {
      const digest = await this.#run(sequence, requests, life)
      this.#mark = mark ?? this.#mark
      return digest
    })
    this.#tail = turn.then(() => undefined)
    return turn
  }

  /** Copies batch by batch from the first replica that has the state, and from no other. */
  async transfer(
    target: TransferTarget,
    { mark, signal }: TransferOptions = {},
  ): Promise<StatePoint> {
    const life = this.#life
    await this.#pause(life)
    const [source, eachMs] = this.#sourceOf(target)
    const { sequence: from } = this.lastExecuted()
    const lacking = source.history.filter((b) => b.sequence > from && b.sequence <= target.sequence)
    for (const batch of lacking) {
      if (eachMs > 0) await this.#pause(life, eachMs)
      signal?.throwIfAborted()
      this.#append(batch, (id) => source.requestOf(id))
    }
    this.#mark = mark ?? this.#mark
    return this.lastExecuted()
  }

  /** As if the process died now: executions under way never happen. */
  crash(): void {
    this.#life++
    this.#tail = Promise.resolve()
  }

  /** Where to copy from, and how long a batch takes there. */
  #sourceOf(target: TransferTarget): [MemoryStateMachine, number] {
    const { source, sourceMs } = this.#options
    for (const replica of target.replicas) {
      const machine = source?.(replica)
      if (machine?.wasAt(target) === true) return [machine, sourceMs?.(replica) ?? 0]
    }
    throw new NoSourceError()
  }

  /** What is durable now. */
  copy(): MemoryState {
    return { history: [...this.#history], executed: new Map(this.#executed), mark: this.#mark }
  }

  /** As if somebody put a copy of earlier times in place of all, or nothing, while it did not run. */
  setBack(copy?: MemoryState): void {
    this.#history.splice(0, Infinity, ...(copy?.history ?? []))
    this.#executed.clear()
    for (const [id, request] of copy?.executed ?? []) this.#executed.set(id, request)
    this.#mark = copy?.mark
  }

  /** Whether it was in this state once. */
  wasAt({ sequence, digest }: StatePoint): boolean {
    const batch = this.#history.find((entry) => entry.sequence === sequence)
    return batch !== undefined && Buffer.compare(batch.digest, digest) === 0
  }

  async #run(sequence: bigint, requests: readonly Uint8Array[], life: number): Promise<Uint8Array> {
    await this.#pause(life)
    const fresh = new Map<string, Uint8Array>()
    for (const request of requests) {
      const id = this.#idOf(request)
      if (!this.#executed.has(id) && !fresh.has(id)) fresh.set(id, request)
    }
    const ids = [...fresh.keys()]
    const { digest: previous } = this.lastExecuted()
    const hasher = createHash('sha256').update(previous).update(sequence.toString())
    for (const id of ids) hasher.update(id)
    const digest = hasher.digest()
    this.#append({ sequence, ids, requests, digest }, (id) => fresh.get(id))
    return digest
  }

  #idOf(request: Uint8Array): string {
    return (this.#options.idOf ?? digestOf)(request)
  }

  #append(batch: ExecutedBatch, requestOf: (id: string) => Uint8Array | undefined): void {
    for (const id of batch.ids) this.#executed.set(id, requestOf(id) ?? new Uint8Array())
    this.#history.push(batch)
  }

  async #pause(life: number, ms = this.#options.executeMs ?? 0): Promise<void> {
    const { clock } = this.#options
    if (clock !== undefined) await new Promise<void>((done) => clock.schedule(ms, done))
    if (life !== this.#life) await new Promise<never>(() => undefined)
  }
}

function digestOf(request: Uint8Array): string {
  return hash('sha256', request, 'hex')
}
