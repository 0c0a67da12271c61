import { fullAllowance, maxAsksAgain } from './allowance.ts'
import type { Allowance } from './allowance.ts'
import { newInquiry } from './inquiry.ts'
import { newLone } from './lone.ts'
import type { Lone } from './lone.ts'
import type { Amnesia } from './amnesia.ts'
import type { Inquiry } from './inquiry.ts'
import { nothingSaid, raise, saidIn } from './heard.ts'
import type { GrowingSaid } from './heard.ts'
import type { Asking } from './recollection.ts'
import { CheckpointStore } from './checkpoint-store.ts'
import type { Batch, Certificate, Message, NewView, Status, ViewChange } from './messages.ts'
import type {
  CoreOptions,
  EarlierDigests,
  JournalRecord,
  RejectCode,
  ReplicaEffect,
  StateDigest,
  TimerName,
} from './protocol.ts'
import { faultsTolerated, primaryOf, quorumOf, weakQuorumOf } from './quorum.ts'
import { Slot } from './slot.ts'
import type { ReplayedView } from './selection.ts'

/**
 * Most digests of Q for one sequence number. A correct primary gives at most one a view, and a view
 * change between two stable checkpoints adds one, so this bounds the message, not the protocol.
 */
export const maxPrePreparedPerSequence = 64

/**
 * For how many sequence numbers, the last executed ones, a replica remembers and tells the digest of
 * its state: so far may correct replicas be apart and still find a number that f + 1 of them name.
 */
export const maxClaims = 64

/** A new view whose batches are not all here yet. */
export interface PendingView {
  /** Undefined at its primary, which signs it once the batches are here. */
  readonly newView: NewView | undefined
  readonly view: bigint
  readonly viewChanges: readonly ViewChange[]
  readonly replay: ReplayedView
  /** At its primary: whether it asked for its signature. */
  isSigning: boolean
}

/** Everything that one replica knows, and the effects of the step in progress. */
export class State {
  readonly options: CoreOptions
  readonly n: number
  readonly f: number
  readonly quorum: number
  readonly weakQuorum: number
  /** K. */
  readonly period: bigint
  /** L. */
  readonly window: bigint

  view = 0n
  /** Whether this replica takes part in `view`; false between its view-change and the new-view. */
  active = true
  /** h. */
  lowWatermark = 0n
  /** Proof of h; without checkpoints while h is 0. */
  stable: Certificate = { type: 'certificate', checkpoints: [] }
  /** The last sequence number handed out for execution. */
  lastScheduled = 0n
  /** As primary: the next sequence number to assign. */
  nextSequence = 1n
  readonly slots = new Map<bigint, Slot>()
  readonly checkpoints: CheckpointStore

  /** The latest view-change of each replica. */
  readonly viewChanges: (ViewChange | undefined)[]
  /** The new-view by which `view`, or the last active one before it, began; undefined for view 0. */
  newView: NewView | undefined
  pendingView: PendingView | undefined
  /** Whether the new-view timer was started for `view`: at the quorum, once. */
  newViewTimerStarted = false
  /** Whether that timer is the short one for a primary that was silent when it was started. */
  isAwaitingSilent = false
  /** Status intervals that ended since that timer was started. */
  intervalsAwaited = 0
  /** Whether the oldest request here has used up half its time in `view`. */
  isLate = false
  /** By replica. */
  readonly lone: readonly Lone[]
  /** View changes since it last went well; time-outs double with each after the first. */
  attempts = 0

  /** Undefined unless this replica forgot what it said: then it does not vote. */
  amnesia: Amnesia | undefined
  /** It votes in this view and later ones: 0 unless it forgot what it said. */
  votesFrom = 0n
  inquiry: Inquiry = newInquiry()
  /** Undefined once it knows what the others heard from it in earlier lives. */
  asking: Asking | undefined
  /** By replica: how far it was heard to go in what it says. */
  readonly heard: readonly GrowingSaid[]
  /** How far this one went, as it remembers. */
  readonly said = nothingSaid()

  /** Where a state transfer under way leads; nothing is executed until it ends. */
  transfer: StateDigest | undefined
  /** State transfers begun: each asks another replica first. */
  transfers = 0
  /** At so many status timeouts in a row f + 1 others were proven ahead and nothing was executed. */
  intervalsBehind = 0
  /** `lastExecuted` at the previous status timeout. */
  executedAtLastStatus = -1n
  /** By replica: the status intervals that began since something was heard from it last. */
  readonly unheardFor: number[]
  /** So far have others executed, as f + 1 of them said: one of those is correct. */
  executedByOthers = 0n
  /** How often in this status interval it may still tell where it is, beside once at its end. */
  asksAgain = maxAsksAgain
  /** The last status of each replica. */
  readonly statuses: (Status | undefined)[]
  /** By replica. */
  readonly #allowances = new Map<number, Allowance>()
  /** Batches known by digest only: `sequence` to digest and who has it. */
  readonly wanted = new Map<bigint, WantedBatch>()
  /**
   * Batches that arrived for `pendingView`, or for one that another took the place of, by digest: only
   * what the latest pending view names, so a window of them at most.
   */
  readonly fetched = new Map<string, Batch>()
  failed = false

  #lastExecuted = 0n
  /** Digests of the states up to `#lastExecuted`, oldest first: {@link maxClaims} at most. */
  readonly #digests: string[] = []
  #effects: ReplicaEffect[] = []
  /** The view that `#primary` is the primary of. */
  #primaryOf = 0n
  #primary = 0
  readonly #generations: Record<TimerName, number> = { newView: 0, status: 0, fetch: 0 }
  readonly #running = new Set<TimerName>()

  constructor(options: CoreOptions) {
    this.options = options
    this.n = options.n
    this.f = faultsTolerated(options.n)
    this.quorum = quorumOf(options.n)
    this.weakQuorum = weakQuorumOf(options.n)
    this.period = BigInt(options.checkpointPeriod)
    this.window = BigInt(options.checkpointPeriod * options.logMultiplier)
    this.checkpoints = new CheckpointStore(options.n, options.logMultiplier + 2)
    this.viewChanges = new Array<ViewChange | undefined>(options.n).fill(undefined)
    this.unheardFor = new Array<number>(options.n).fill(0)
    this.lone = Array.from({ length: options.n }, newLone)
    this.heard = Array.from({ length: options.n }, nothingSaid)
    this.statuses = new Array<Status | undefined>(options.n).fill(undefined)
  }

  get id(): number {
    return this.options.id
  }

  get lastExecuted(): bigint {
    return this.#lastExecuted
  }

  /** Digest of the state after `lastExecuted`. */
  get stateDigest(): string {
    return this.#digests.at(-1) ?? ''
  }

  /** The state after `sequence`, which is now the last executed, has this digest. */
  reach(sequence: bigint, digest: string): void {
    if (sequence !== this.#lastExecuted + 1n) this.#digests.length = 0
    this.#lastExecuted = sequence
    this.#digests.push(digest)
    if (this.#digests.length > maxClaims) this.#digests.shift()
  }

  /** These states came before the one just reached: remembers them, if they are more than it knows. */
  recall(earlier: EarlierDigests): void {
    const known = this.#digests.length - 1
    if (earlier.length <= known) return
    this.#digests.splice(0, known, ...earlier.slice(0, maxClaims - 1).reverse())
  }

  /** Digests of the states after `lastExecuted` and down to `sequence` + 1, as far as remembered. */
  digestsDownTo(sequence: bigint): string[] {
    const count = this.#lastExecuted - sequence
    return count <= 0n ? [] : this.#digests.slice(-Number(count)).reverse()
  }

  get primary(): number {
    if (this.#primaryOf !== this.view) {
      this.#primaryOf = this.view
      this.#primary = primaryOf(this.view, this.n)
    }
    return this.#primary
  }

  get isPrimary(): boolean {
    return this.primary === this.id
  }

  /** H. */
  get highWatermark(): bigint {
    return this.lowWatermark + this.window
  }

  /** Doubled for each view change after the first since it last went well. */
  get timeoutFactor(): number {
    return 2 ** Math.min(Math.max(this.attempts - 1, 0), 30)
  }

  /**
   * The slot of `sequence`: made when it lies between the watermarks; when it lies below and still
   * waits for execution, only if it is there.
   */
  slot(sequence: bigint): Slot | undefined {
    const known = this.slots.get(sequence)
    if (known !== undefined) return known
    if (sequence <= this.lowWatermark || sequence > this.highWatermark) return undefined
    const slot = new Slot(sequence, this.n)
    this.slots.set(sequence, slot)
    return slot
  }

  emit(effect: ReplicaEffect): void {
    this.#effects.push(effect)
  }

  persist(record: JournalRecord): void {
    this.emit({ type: 'persist', record })
  }

  broadcast(message: Message): void {
    if (this.n === 1) return
    raise(this.said, saidIn(message) ?? {})
    this.emit({ type: 'broadcast', message })
  }

  send(to: number, message: Message): void {
    raise(this.said, saidIn(message) ?? {})
    this.emit({ type: 'send', to, message })
  }

  reject(from: number, code: RejectCode, detail: string): void {
    this.emit({ type: 'reject', from, code, detail })
  }

  /** What replica `from` may still ask for. */
  allowanceOf(from: number): Allowance {
    const known = this.#allowances.get(from)
    if (known !== undefined) return known
    const full = fullAllowance(this.options)
    this.#allowances.set(from, full)
    return full
  }

  /** A status interval begins. */
  refillAllowances(): void {
    this.#allowances.clear()
    this.asksAgain = maxAsksAgain
  }

  fail(detail: string): void {
    if (this.failed) return
    this.failed = true
    this.emit({ type: 'fail', code: 'PBFT_STATE_DIVERGED', detail })
  }

  startTimer(name: TimerName, afterMs: number): void {
    const generation = ++this.#generations[name]
    this.#running.add(name)
    this.emit({ type: 'startTimer', name, generation, afterMs })
  }

  stopTimer(name: TimerName): void {
    if (!this.#running.delete(name)) return
    this.#generations[name]++
    this.emit({ type: 'stopTimer', name })
  }

  isRunning(name: TimerName): boolean {
    return this.#running.has(name)
  }

  /** Whether this expiry is of the timer as it was last started; it then runs no more. */
  expire(name: TimerName, generation: number): boolean {
    if (this.#generations[name] !== generation) return false
    return this.#running.delete(name)
  }

  takeEffects(): readonly ReplicaEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}

/** A batch that must be fetched: of which digest, from whom, and whose turn it is to be asked. */
export interface WantedBatch {
  readonly digest: string
  readonly holders: readonly number[]
  turn: number
}
