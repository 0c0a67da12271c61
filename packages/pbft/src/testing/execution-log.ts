import { toHex } from '../wire/codec.ts'
import type { StatePoint } from '../ports.ts'
import { RequestBatch } from '../wire/request-batch.ts'

/** What an {@link ExecutionLog} is told about requests. */
export interface ExecutionLogDeps {
  readonly idOf: (request: Uint8Array) => string
  /** Whether somebody may have submitted a request of this id. */
  readonly isSubmitted: (id: string) => boolean
}

/** What a replica was the first to say. */
interface Said {
  readonly replica: number
  readonly digest: string
}

/**
 * What the state machines of correct replicas are given and what they answer, in all their lives:
 * agreement and validity are checked on it, whatever state machine it is.
 */
export class ExecutionLog {
  readonly #deps: ExecutionLogDeps
  readonly #batches = new Map<bigint, Said>()
  readonly #states = new Map<bigint, Said>()
  /** By replica: the sequence number that it was given last. */
  readonly #last = new Map<number, bigint>()
  /** By replica: the highest sequence number that it said to have executed, durably. */
  readonly #done = new Map<number, bigint>()
  /** By id: of several requests of one id the first in the order, which is the one that counts. */
  readonly #requests = new Map<string, Uint8Array>()
  /** The first promise that was broken; undefined when there is none. */
  problem: string | undefined

  constructor(deps: ExecutionLogDeps) {
    this.#deps = deps
  }

  /** The request that was ordered first under an id; undefined when none was. */
  requestOf(id: string): Uint8Array | undefined {
    return this.#requests.get(id)
  }

  /** `replica` starts in this state. */
  starts(replica: number, point: StatePoint): void {
    const before = this.#done.get(replica) ?? 0n
    if (point.sequence < before)
      this.#find(`replica ${replica} executed ${before}, and came back at ${point.sequence}`)
    this.reaches(replica, point)
  }

  /** An older copy of its disk was put in place of that of `replica`. */
  setBack(replica: number): void {
    this.#done.delete(replica)
    this.#last.delete(replica)
  }

  /** `replica` got to this state without executing. */
  reaches(replica: number, { sequence, digest }: StatePoint): void {
    this.#last.set(replica, sequence)
    this.executed(replica, sequence, digest)
  }

  /** The state machine of `replica` is given a batch. */
  begins(replica: number, sequence: bigint, requests: readonly Uint8Array[]): void {
    const before = this.#last.get(replica) ?? 0n
    if (sequence !== before + 1n)
      this.#find(`replica ${replica} executes ${sequence} after ${before}`)
    this.#last.set(replica, sequence)
    const { digest } = RequestBatch.of(requests)
    this.#compare(this.#batches, sequence, { replica, digest })
    for (const request of requests) this.#order(sequence, request)
  }

  /** The state machine of `replica` says that it is in this state after `sequence`. */
  executed(replica: number, sequence: bigint, digest: Uint8Array): void {
    if (sequence > (this.#done.get(replica) ?? 0n)) this.#done.set(replica, sequence)
    this.#compare(this.#states, sequence, { replica, digest: toHex(digest) })
  }

  #order(sequence: bigint, request: Uint8Array): void {
    const id = this.#deps.idOf(request)
    if (!this.#deps.isSubmitted(id)) this.#find(`nobody submitted what was ordered at ${sequence}`)
    if (!this.#requests.has(id)) this.#requests.set(id, request)
  }

  #compare(all: Map<bigint, Said>, sequence: bigint, said: Said): void {
    const first = all.get(sequence)
    if (first === undefined) all.set(sequence, said)
    else if (first.digest !== said.digest)
      this.#find(`agreement: replicas ${first.replica} and ${said.replica} differ at ${sequence}`)
  }

  #find(problem: string): void {
    this.problem ??= problem
  }
}
