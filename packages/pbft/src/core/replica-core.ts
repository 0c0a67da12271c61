import { askForBounds } from './amnesia.ts'
import { goOnWithLoss } from './lost-blocks.ts'
import { hearSaid } from './heard.ts'
import { beginAsking, conclude } from './recollection.ts'
import { mayVote, remembers } from './voting.ts'
import { onCertificate, onCheckpoint, onOwnCheckpoint, announceCheckpoint } from './checkpoints.ts'
import { durableRecords, restore, restoreProven } from './durable.ts'
import { executeNext } from './execution.ts'
import { onExecuted, onTransferred } from './progress.ts'
import { onFetchBatch, onFetchTimeout } from './fetching.ts'
import type { CheckpointStatement, Message, SignedStatement } from './messages.ts'
import { onBatch, onNewView, onOwnNewView, resumePendingView } from './new-view.ts'
import { primaryOf } from './quorum.ts'
import {
  advance,
  awaitsPrimary,
  onCommit,
  onPrePrepare,
  onPrepare,
  propose,
  room,
} from './ordering.ts'
import type {
  CoreOptions,
  JournalRecord,
  ReplicaEffect,
  ReplicaEvent,
  StateDigest,
  TimerName,
} from './protocol.ts'
import { hear } from './silence.ts'
import { State } from './state.ts'
import { askAgain, broadcastStatus, onStatus, onStatusTimeout } from './status.ts'
import {
  awaitInFull,
  followOthers,
  onCalm,
  onLate,
  onNewViewTimeout,
  onOwnViewChange,
  onSuspect,
  onViewChange,
} from './view-change.ts'

/** What a {@link ReplicaCore} shows of itself. */
export interface CoreStatus {
  /** v: the view that it is in, or changes to. */
  readonly view: bigint
  /** The replica that orders in `view`. */
  readonly primary: number
  /** False between its view-change and the new-view. */
  readonly active: boolean
  /** h: the last stable checkpoint. */
  readonly lowWatermark: bigint
  /** H = h + L. */
  readonly highWatermark: bigint
  /** The last sequence number with its `executed`. */
  readonly lastExecuted: bigint
  /** The highest sequence number that it knows of: in its window, or from signed checkpoints of f + 1. */
  readonly highestKnown: bigint
  /**
   * The highest sequence number at which it accepted a batch, signed a state, or executed what it had to
   * fetch, as far as its journal remembers: what it executed otherwise than by a transfer is not beyond.
   */
  readonly accepted: bigint
  /** Whether it waits for the answer to `transfer`. */
  readonly transferring: boolean
  /** False when it forgot what it said and could contradict itself. */
  readonly isVoting: boolean
  /** Whether the state diverged from what a quorum signed for; nothing works any more. */
  readonly failed: boolean
  /** How much longer than usual to wait before suspecting the primary: 1 or more. */
  readonly timeoutFactor: number
}

type AnswerEvent = Extract<
  ReplicaEvent,
  { type: 'signed' | 'executed' | 'transferred' | 'transferFailed' }
>

/**
 * The protocol of one replica as a pure, synchronous state machine: an event in, effects out.
 *
 * No clock, no I/O, no randomness: the same events give the same effects. What a peer sends never
 * makes it throw; the effect `reject` says why it was refused.
 *
 * @see PBFT, OSDI '99 §4; TOCS '02 §4.5 (view changes by P and Q), §5.2 (status messages)
 */
export class ReplicaCore {
  readonly #state: State
  /** Alone and without the proof of what it executed: then it proves that anew. */
  readonly #vouches: boolean

  /**
   * @param options - see {@link CoreOptions}; taken as valid
   * @param records - the journal, in order; empty for a new replica
   * @param executed - what the state machine executed last
   * @param isComplete - false when records are missing, or are those of another replica: then it does
   * not vote until the others are beyond all that it may have voted for
   */
  constructor(
    options: CoreOptions,
    records: Iterable<JournalRecord>,
    executed: StateDigest,
    isComplete = true,
  ) {
    const state = new State(options)
    state.reach(executed.sequence, executed.digest)
    state.lastScheduled = executed.sequence
    if (isComplete) restore(state, records)
    else restoreProven(state, records)
    this.#vouches = !isComplete && options.n === 1
    this.#state = state
  }

  /** Takes one event and returns what to do about it, in order. */
  step(event: ReplicaEvent): readonly ReplicaEffect[] {
    const state = this.#state
    const { amnesia, votesFrom, asking } = state
    if (!state.failed) this.#handle(event)
    const recollected = asking !== undefined && remembers(state)
    if (recollected) this.#resume()
    if (recollected || amnesia !== state.amnesia || votesFrom !== state.votesFrom)
      followOthers(state)
    return state.takeEffects()
  }

  /** How many batches this replica, as primary, may propose now; 0 when it is a backup. */
  room(): number {
    return room(this.#state)
  }

  /** See {@link CoreStatus.timeoutFactor}: cheap, as it is asked for with every request. */
  get timeoutFactor(): number {
    return this.#state.timeoutFactor
  }

  /** See {@link awaitsPrimary}. */
  awaitsPrimary(): boolean {
    return awaitsPrimary(this.#state)
  }

  /** Sequence numbers assigned or accepted and not yet executed. */
  inFlight(): number {
    return Number(this.#state.nextSequence - 1n - this.#state.lastExecuted)
  }

  /**
   * Whether a pre-prepare of `from` can be of use: asked before its batch is checked, so that what is
   * refused anyway costs nothing, and after the core took the new-view that `from` sent before it.
   */
  wantsPrePrepare(from: number, view: bigint, sequence: bigint): boolean {
    const state = this.#state
    if (from !== primaryOf(view, state.n)) return false
    if (sequence <= state.lowWatermark || sequence > state.highWatermark) return false
    // Only the batches of the new-view are lacking: they may be here before this one is checked.
    if (view === state.pendingView?.view) return true
    if (view !== state.view || !state.active) return false
    return state.slots.get(sequence)?.current === undefined
  }

  /** So far have others executed, as a stable checkpoint proves or f + 1 of them said. */
  get executedByOthers(): bigint {
    const { executedByOthers, lowWatermark } = this.#state
    return executedByOthers > lowWatermark ? executedByOthers : lowWatermark
  }

  /** Whether others are known to have executed further: then a late request may be no primary's fault. */
  isBehind(): boolean {
    const { lowWatermark, lastExecuted, transfer } = this.#state
    return lowWatermark > lastExecuted || transfer !== undefined
  }

  /**
   * Whether this checkpoint of its author is due, as the group works: asked before its signature is
   * verified. Each is due once, and in order. One that is stable already is, too: of each number some
   * come after the quorum, and those of a replica with slower links always do.
   */
  awaitsCheckpoint({ sequence, replica }: CheckpointStatement): boolean {
    const { checkpoints, id, period, lowWatermark, highWatermark } = this.#state
    const top = this.executedByOthers + (highWatermark - lowWatermark)
    if (sequence > top || sequence % period !== 0n || replica === id) return false
    return sequence > checkpoints.latestOf(replica)
  }

  /** Whether a fetched batch can be of use: asked before its digest is computed. */
  wantsBatch(): boolean {
    return this.#state.wanted.size > 0
  }

  /** The shortest journal that a restart needs now. */
  durableRecords(): readonly JournalRecord[] {
    return durableRecords(this.#state)
  }

  /** A copy of where this replica is. */
  inspect(): CoreStatus {
    const state = this.#state
    const top = state.checkpoints.reachedBy(state.weakQuorum)
    let highestKnown = state.lastExecuted > top ? state.lastExecuted : top
    for (const sequence of state.slots.keys()) if (sequence > highestKnown) highestKnown = sequence
    const { view, primary, active, lowWatermark, highWatermark, lastExecuted } = state
    const { failed, timeoutFactor, said, heard, id } = state
    const learnt = heard[id]?.accepted ?? 0n
    const accepted = said.accepted > learnt ? said.accepted : learnt
    const transferring = state.transfer !== undefined
    return Object.freeze({
      ...{ view, primary, active, lowWatermark, highWatermark, lastExecuted },
      ...{ highestKnown, accepted, transferring, failed, timeoutFactor },
      isVoting: mayVote(state),
    })
  }

  #handle(event: ReplicaEvent): void {
    const state = this.#state
    switch (event.type) {
      case 'start': {
        state.recall(event.earlier ?? [])
        this.#start(event.query ?? 0n)
        return
      }
      case 'message': {
        this.#receive(event.from, event.message)
        return
      }
      case 'propose': {
        propose(state, event.batch)
        return
      }
      case 'resumed': {
        askAgain(state)
        return
      }
      case 'late': {
        onLate(state, event.view, event.isLate)
        return
      }
      case 'calm': {
        onCalm(state, event.view, event.factor)
        return
      }
      case 'suspect': {
        onSuspect(state, event.view)
        return
      }
      case 'timeout':
        if (state.expire(event.name, event.generation)) this.#timeout(event.name)
        return
      default: {
        this.#handleAnswer(event)
        return
      }
    }
  }

  /** An effect was performed. */
  #handleAnswer(event: AnswerEvent): void {
    const state = this.#state
    switch (event.type) {
      case 'signed': {
        this.#signed(event.message)
        return
      }
      case 'executed': {
        onExecuted(state, event.sequence, event.digest)
        return
      }
      case 'transferred': {
        onTransferred(state, event)
        conclude(state)
        goOnWithLoss(state)
        return
      }
      case 'transferFailed': {
        state.transfer = undefined
        executeNext(state)
        conclude(state)
        goOnWithLoss(state)
        return
      }
    }
  }

  #start(query: bigint): void {
    const state = this.#state
    askForBounds(state, query)
    beginAsking(state)
    state.startTimer('status', state.options.statusIntervalMs)
    for (const { sequence, current } of state.slots.values()) {
      if (current !== undefined) state.emit({ type: 'accepted', sequence, batch: current.batch })
    }
    if (state.asking === undefined) this.#resume()
    broadcastStatus(state)
  }

  /** Says again what it said last, and goes on from there. */
  #resume(): void {
    const state = this.#state
    // Without other replicas no message would bring a restored slot further.
    for (const slot of [...state.slots.values()]) advance(state, slot)
    const own = state.viewChanges[state.id]
    if (own !== undefined) onOwnViewChange(state, own)
    const { lastExecuted } = state
    const signed = state.checkpoints.of(state.id).some((c) => c.sequence === lastExecuted)
    const isDue = this.#vouches || lastExecuted % state.period === 0n
    if (lastExecuted > 0n && isDue && !signed) announceCheckpoint(state)
  }

  #receive(from: number, message: Message): void {
    const state = this.#state
    if (hear(state, from)) awaitInFull(state, from)
    hearSaid(state, from, message)
    switch (message.type) {
      case 'pre-prepare': {
        onPrePrepare(state, from, message)
        return
      }
      case 'prepare': {
        onPrepare(state, from, message)
        return
      }
      case 'commit': {
        onCommit(state, from, message)
        return
      }
      case 'checkpoint': {
        onCheckpoint(state, from, message)
        resumePendingView(state)
        return
      }
      case 'view-change': {
        onViewChange(state, from, message)
        return
      }
      case 'new-view': {
        onNewView(state, from, message)
        return
      }
      case 'status': {
        onStatus(state, from, message)
        return
      }
      case 'fetch-batch': {
        onFetchBatch(state, from, message)
        return
      }
      case 'batch': {
        onBatch(state, message.batch)
        return
      }
      case 'certificate': {
        onCertificate(state, from, message)
        resumePendingView(state)
        return
      }
    }
  }

  #timeout(name: TimerName): void {
    if (name === 'status') onStatusTimeout(this.#state)
    else if (name === 'newView') onNewViewTimeout(this.#state)
    else onFetchTimeout(this.#state)
  }

  #signed(message: SignedStatement): void {
    if (message.type === 'checkpoint') {
      onOwnCheckpoint(this.#state, message)
      resumePendingView(this.#state)
    } else if (message.type === 'view-change') onOwnViewChange(this.#state, message)
    else onOwnNewView(this.#state, message)
  }
}
