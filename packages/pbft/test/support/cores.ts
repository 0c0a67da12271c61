import { createHash } from 'node:crypto'
import type {
  Batch,
  Checkpoint,
  Claim,
  Message,
  NewView,
  Proof,
  SignedStatement,
  Statement,
  ViewChange,
} from '../../src/core/messages.ts'
import type {
  CoreOptions,
  JournalRecord,
  ReplicaEffect,
  ReplicaEvent,
} from '../../src/core/protocol.ts'
import { ReplicaCore } from '../../src/core/replica-core.ts'
import { RequestBatch } from '../../src/wire/request-batch.ts'

/** Settings of the papers' size: 4 replicas, K = 2, L = 8. */
export const coreOptions: CoreOptions = {
  id: 0,
  n: 4,
  checkpointPeriod: 2,
  logMultiplier: 4,
  maxExecutionsInFlight: 4,
  viewChangeTimeoutMs: 100,
  maxTimeoutMs: 1_000,
  statusIntervalMs: 1_000,
  fetchTimeoutMs: 50,
  maxResendBytes: 1_000_000,
  maxFetchAnswers: 12,
  maxFetchBytes: 1_000_000,
  stuckIntervals: 3,
}

export const batchOf = (...names: string[]): Batch =>
  RequestBatch.of(names.map((name) => Buffer.from(name)))

/** A signature that nobody checks at this level. */
export const noProof: Proof = { body: new Uint8Array(), signature: new Uint8Array() }

/** What a status says of one that heard nothing and answers nothing. */
export const unheard = { heard: [], echo: 0n, acceptsLoss: false } as const

export const signed = (statement: Statement): SignedStatement => ({ ...statement, proof: noProof })

/** The digest that the group's state has after `sequence`, whatever was executed. */
export const stateDigest = (sequence: bigint): string =>
  createHash('sha256').update(`state ${sequence}`).digest('hex')

export const checkpoint = (
  replica: number,
  sequence: bigint,
  digest = stateDigest(sequence),
): Checkpoint => ({ type: 'checkpoint', replica, sequence, digest, proof: noProof })

/** Proof of a stable checkpoint by replicas 0 to 2. */
export const certificate = (sequence: bigint): readonly Checkpoint[] =>
  sequence === 0n ? [] : [0, 1, 2].map((replica) => checkpoint(replica, sequence))

export const claim = (sequence: bigint, batch: Batch | string, view = 0n): Claim => ({
  sequence,
  view,
  digest: typeof batch === 'string' ? batch : batch.digest,
})

export const viewChange = (
  replica: number,
  view: bigint,
  content: Partial<Pick<ViewChange, 'lowWatermark' | 'stable' | 'prepared' | 'prePrepared'>> = {},
): ViewChange => ({
  type: 'view-change',
  replica,
  view,
  lowWatermark: 0n,
  stable: certificate(content.lowWatermark ?? 0n),
  prepared: [],
  prePrepared: content.prepared ?? [],
  ...content,
  proof: noProof,
})

export const newView = (view: bigint, viewChanges: readonly ViewChange[]): NewView => ({
  type: 'new-view',
  view,
  viewChanges,
  proof: noProof,
})

/** One core, fed by hand. Signs at once; executes and everything else when told. */
export class Driver {
  readonly core: ReplicaCore
  readonly options: CoreOptions
  /** Everything it did, but for `sign`, and for the records of what it heard, which come with anything. */
  readonly effects: ReplicaEffect[] = []
  readonly journal: JournalRecord[] = []

  constructor(
    options: Partial<CoreOptions> = {},
    journal: readonly JournalRecord[] = [],
    executed = 0n,
  ) {
    this.options = { ...coreOptions, ...options }
    this.journal.push(...journal)
    const digest = executed === 0n ? '' : stateDigest(executed)
    this.core = new ReplicaCore(this.options, journal, { sequence: executed, digest })
  }

  /** Takes an event and returns what it caused, in order. */
  step(event: ReplicaEvent): ReplicaEffect[] {
    const caused: ReplicaEffect[] = []
    const events = [event]
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      for (const effect of this.core.step(next)) {
        if (effect.type === 'sign')
          events.push({ type: 'signed', message: signed(effect.statement) })
        else if (effect.type !== 'persist' || effect.record.type !== 'heard') caused.push(effect)
        if (effect.type === 'persist') this.journal.push(effect.record)
      }
    }
    this.effects.push(...caused)
    return caused
  }

  receive(from: number, message: Message): ReplicaEffect[] {
    return this.step({ type: 'message', from, message })
  }

  prePrepare(sequence: bigint, batch: Batch, view = 0n, from = Number(view % 4n)): ReplicaEffect[] {
    return this.receive(from, { type: 'pre-prepare', view, sequence, batch })
  }

  prepare(from: number, sequence: bigint, batch: Batch | string, view = 0n): ReplicaEffect[] {
    return this.receive(from, { type: 'prepare', ...claim(sequence, batch, view) })
  }

  commit(from: number, sequence: bigint, batch: Batch | string, view = 0n): ReplicaEffect[] {
    return this.receive(from, { type: 'commit', ...claim(sequence, batch, view) })
  }

  /** Answers `execute` with the digest that all have. */
  executed(sequence: bigint, digest = stateDigest(sequence)): ReplicaEffect[] {
    return this.step({ type: 'executed', sequence, digest })
  }

  /** Fires the timer as it was started last. */
  fire(name: 'newView' | 'status' | 'fetch'): ReplicaEffect[] {
    const started = this.of('startTimer').filter((timer) => timer.name === name)
    const generation = started.at(-1)?.generation ?? -1
    return this.step({ type: 'timeout', name, generation })
  }

  of<Type extends ReplicaEffect['type']>(type: Type): Extract<ReplicaEffect, { type: Type }>[] {
    return only(this.effects, type)
  }

  /** A core that starts from this one's journal, having executed so far. */
  restart(executed: bigint, options: Partial<CoreOptions> = {}): Driver {
    return new Driver({ ...this.options, ...options }, this.journal, executed)
  }
}

export function only<Type extends ReplicaEffect['type']>(
  effects: readonly ReplicaEffect[],
  type: Type,
): Extract<ReplicaEffect, { type: Type }>[] {
  return effects.filter((e): e is Extract<ReplicaEffect, { type: Type }> => e.type === type)
}

/** The messages of one kind that were told to all. */
export function broadcasts<Type extends Message['type']>(
  effects: readonly ReplicaEffect[],
  type: Type,
): Extract<Message, { type: Type }>[] {
  return only(effects, 'broadcast')
    .map((effect) => effect.message)
    .filter((m): m is Extract<Message, { type: Type }> => m.type === type)
}

/** The messages of one kind that were sent to `to`. */
export function sendsTo<Type extends Message['type']>(
  effects: readonly ReplicaEffect[],
  to: number,
  type: Type,
): Extract<Message, { type: Type }>[] {
  return only(effects, 'send')
    .filter((effect) => effect.to === to)
    .map((effect) => effect.message)
    .filter((m): m is Extract<Message, { type: Type }> => m.type === type)
}

export const rejectCodes = (effects: readonly ReplicaEffect[]): string[] =>
  only(effects, 'reject').map((effect) => effect.code)

interface Envelope {
  readonly from: number
  readonly to: number
  readonly message: Message
}

/** N cores that hear each other at once and in order, unless `drop` says no; executing is instant. */
export class Group {
  readonly drivers: Driver[]
  readonly executed: { sequence: bigint; digest: string }[][]
  readonly #queue: Envelope[] = []
  /** Messages for which it returns true are lost. */
  drop: (envelope: Envelope) => boolean = () => false
  /** Runs instead of an instant state transfer to the target. */
  onTransfer: ((id: number, sequence: bigint) => void) | undefined

  constructor(n: number, options: Partial<CoreOptions> = {}) {
    this.drivers = Array.from({ length: n }, (_, id) => new Driver({ ...options, n, id }))
    this.executed = this.drivers.map(() => [])
    for (const [id, driver] of this.drivers.entries())
      this.#perform(id, driver.step({ type: 'start' }))
    this.settle()
  }

  at(id: number): Driver {
    return this.drivers[id]!
  }

  step(id: number, event: ReplicaEvent): void {
    this.#perform(id, this.at(id).step(event))
  }

  /** Gives an event to one core and delivers whatever follows, until nothing does. */
  act(id: number, event: ReplicaEvent): void {
    this.step(id, event)
    this.settle()
  }

  propose(...names: string[]): void {
    // A replica that was cut off may take itself for the primary of an earlier view.
    const primaries = this.drivers.filter((d) => d.core.room() > 0).map((d) => d.core.inspect())
    const latest = primaries.reduce((a, b) => (b.view > a.view ? b : a))
    this.act(latest.primary, { type: 'propose', batch: batchOf(...names) })
  }

  suspect(...ids: number[]): void {
    for (const id of ids) this.step(id, { type: 'suspect', view: this.at(id).core.inspect().view })
    this.settle()
  }

  fire(id: number, name: 'newView' | 'status' | 'fetch'): void {
    this.#perform(id, this.at(id).fire(name))
    this.settle()
  }

  /** Two rounds of status messages: after them everything lost was sent again. */
  exchangeStatus(rounds = 2): void {
    for (let round = 0; round < rounds; round++) {
      for (const id of this.drivers.keys()) this.#perform(id, this.at(id).fire('status'))
      this.settle()
    }
  }

  restart(id: number): void {
    const executed = this.executed[id]!.at(-1)?.sequence ?? 0n
    this.drivers[id] = this.at(id).restart(executed)
    this.act(id, { type: 'start' })
  }

  settle(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (this.drop(next)) continue
      this.#perform(next.to, this.at(next.to).receive(next.from, next.message))
    }
  }

  digests(id: number): string[] {
    return this.executed[id]!.map((entry) => entry.digest)
  }

  #perform(id: number, effects: readonly ReplicaEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'send')
        this.#queue.push({ from: id, to: effect.to, message: effect.message })
      if (effect.type === 'broadcast')
        for (const to of this.drivers.keys())
          if (to !== id) this.#queue.push({ from: id, to, message: effect.message })
      if (effect.type === 'execute') {
        this.executed[id]!.push({ sequence: effect.sequence, digest: effect.batch.digest })
        this.#perform(id, this.at(id).executed(effect.sequence))
      }
      if (effect.type === 'transfer') this.#transfer(id, effect.sequence, effect.digest)
    }
  }

  #transfer(id: number, sequence: bigint, digest: string): void {
    if (this.onTransfer !== undefined) {
      this.onTransfer(id, sequence)
      return
    }
    this.executed[id]!.push({ sequence, digest: 'transferred' })
    this.#perform(id, this.at(id).step({ type: 'transferred', sequence, digest }))
  }
}
