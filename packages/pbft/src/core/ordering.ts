import { mayVote } from './voting.ts'
import { NULL_BATCH, NULL_DIGEST } from './messages.ts'
import type { Batch, Commit, PrePrepare, Prepare, Vote } from './messages.ts'
import { commitBatch } from './execution.ts'
import { want } from './fetching.ts'
import type { Slot } from './slot.ts'
import { maxPrePreparedPerSequence } from './state.ts'
import type { State } from './state.ts'

/**
 * How far above h the primary assigns: L / 2, because the others' h may lag behind (so they would
 * have to refuse more), but always two checkpoints, so that one lost checkpoint stops nobody. A
 * multiple of K: whoever executed that far has a checkpoint to show, also after a crash.
 */
export function assignmentLimit(state: State): bigint {
  const half = (state.window / state.period / 2n) * state.period
  const twoPeriods = 2n * state.period
  return state.lowWatermark + (half > twoPeriods ? half : twoPeriods)
}

/** How many batches may be proposed now. Nothing while the state is behind its own log. */
export function room(state: State): number {
  if (state.failed || !state.active || !state.isPrimary || state.transfer !== undefined) return 0
  if (!mayVote(state) || state.lastExecuted < state.lowWatermark) return 0
  const left = assignmentLimit(state) - state.nextSequence + 1n
  return left > 0n ? Number(left) : 0
}

/**
 * Whether the next step is the primary's: to assign the next sequence number, where it may, or to
 * commit what this replica has committed. Else a primary could propose in time to just as many as
 * need its own vote.
 */
export function awaitsPrimary(state: State): boolean {
  if (!state.active || state.isPrimary || state.transfer !== undefined) return false
  if (state.lastScheduled !== state.lastExecuted) return false // executing
  const sequence = state.lastExecuted + 1n
  const slot = state.slots.get(sequence)
  if (slot?.decided !== undefined) return false // only its batch is lacking
  if (slot?.current === undefined) return sequence <= assignmentLimit(state)
  return lacksCommitOfPrimary(state, slot)
}

function lacksCommitOfPrimary({ view, primary }: State, { prepared, commits }: Slot): boolean {
  return prepared?.view === view && commits.of(primary)?.view !== view
}

/** The primary assigns the next sequence number to `batch` (§4.2). */
export function propose(state: State, batch: Batch): void {
  const sequence = state.nextSequence++
  const slot = state.slot(sequence)
  if (slot === undefined) return
  acceptBatch(state, slot, batch)
  state.broadcast({ type: 'pre-prepare', view: state.view, sequence, batch })
  advance(state, slot)
}

/** A backup takes or refuses what the primary assigned (§4.2); its batch was checked before. */
export function onPrePrepare(state: State, from: number, message: PrePrepare): void {
  const { view, sequence, batch } = message
  if (view !== state.view || !state.active) return // of another view: late, or too early to judge
  const refusal = refusalOf(state, from, message)
  if (refusal !== undefined) {
    state.reject(from, refusal, `pre-prepare ${sequence.toString()} of view ${view.toString()}`)
    return
  }
  const slot = state.slot(sequence)
  if (slot === undefined || slot.current !== undefined) return // executed, or known
  acceptBatch(state, slot, batch)
  sendPrepare(state, slot)
  advance(state, slot)
}

/** A backup says that it accepted what the slot holds in the current view. */
export function sendPrepare(state: State, { sequence, current, prepares }: Slot): void {
  if (current === undefined || !mayVote(state)) return
  const vote = { view: state.view, sequence, digest: current.batch.digest }
  prepares.add(state.id, vote)
  state.broadcast({ type: 'prepare', ...vote })
}

/** Why this pre-prepare of the current view is not acceptable. */
function refusalOf(state: State, from: number, { sequence, batch }: PrePrepare) {
  if (from !== state.primary) return 'PBFT_NOT_PRIMARY'
  if (sequence > state.highWatermark) return 'PBFT_OUT_OF_WINDOW'
  // Null requests come from new views only, which every replica computes by itself.
  if (batch.digest === NULL_DIGEST) return 'PBFT_EMPTY_BATCH'
  const digest = digestAt(state, sequence)
  return digest === undefined || digest === batch.digest ? undefined : 'PBFT_CONFLICT'
}

/** What `sequence` has in this view, or for good. */
function digestAt(state: State, sequence: bigint): string | undefined {
  const slot = state.slots.get(sequence)
  return slot?.current?.batch.digest ?? slot?.committed?.digest ?? slot?.decided?.digest
}

/**
 * Gives `slot` its batch in the current view, durably, before anything is said about it.
 *
 * @param carried - whether the new-view, which is journaled too, says so: then only a batch that had
 * to be fetched needs a record of its own
 */
export function acceptBatch(state: State, slot: Slot, batch: Batch, carried = false): void {
  const { view } = state
  const { sequence } = slot
  const durable = carried && (slot.prePrepared.has(batch.digest) || batch.digest === NULL_DIGEST)
  slot.prePrepare(view, batch, maxPrePreparedPerSequence)
  if (!durable) state.persist({ type: 'pre-prepared', view, sequence, batch })
  state.emit({ type: 'accepted', sequence, batch })
}

/** A prepare is counted once per replica and view; the primary has none (§4.2). */
export function onPrepare(state: State, from: number, message: Prepare): void {
  if (message.view < state.view) return
  const slot = state.slot(message.sequence)
  if (slot === undefined) {
    refuseAboveWindow(state, from, message)
    return
  }
  slot.prepares.add(from, message)
  advance(state, slot)
}

/** A commit counts in whatever view it was given: a quorum of them is final. */
export function onCommit(state: State, from: number, message: Commit): void {
  const slot = state.slot(message.sequence)
  if (slot === undefined) {
    refuseAboveWindow(state, from, message)
    return
  }
  slot.commits.add(from, message)
  countCommits(state, slot, message.view, message.digest)
}

function refuseAboveWindow(state: State, from: number, message: Prepare | Commit): void {
  if (message.sequence <= state.lowWatermark) return // stable already
  state.reject(from, 'PBFT_OUT_OF_WINDOW', `${message.type} ${message.sequence.toString()}`)
}

/** Sends this replica's commit once the slot has prepared in the current view. */
export function advance(state: State, slot: Slot): void {
  if (slot.current === undefined || !state.active) return
  const { view } = state
  const { sequence } = slot
  const { digest } = slot.current.batch
  // prepared(m, v, n, i): the pre-prepare and a quorum less one of prepares of backups that match it.
  const isPrepared = slot.prepares.count(view, digest, state.primary) >= state.quorum - 1
  if (slot.prepared?.view !== view && mayVote(state) && isPrepared) {
    slot.prepared = { view, sequence, digest }
    state.persist({ type: 'prepared', view, sequence, digest })
    slot.commits.add(state.id, slot.prepared)
    state.broadcast({ type: 'commit', view, sequence, digest })
  }
  countCommits(state, slot, view, digest)
}

function countCommits(state: State, slot: Slot, view: bigint, digest: string): void {
  if (slot.committed !== undefined) return
  if (slot.decided !== undefined) {
    decide(state, slot, slot.decided) // its batch may have come
    return
  }
  if (slot.commits.count(view, digest) < state.quorum) return
  decide(state, slot, { view, sequence: slot.sequence, digest })
}

/** A quorum committed `vote`: final. Executes as soon as its turn comes and its batch is here. */
function decide(state: State, slot: Slot, vote: Vote): void {
  const batch = vote.digest === NULL_DIGEST ? NULL_BATCH : slot.batch(vote.digest)
  if (batch === undefined) {
    // Executed without it, by a state transfer: nothing waits for the batch.
    if (slot.sequence <= state.lastExecuted) return
    slot.decided = vote
    want(state, vote, slot.commits.replicas(vote.view, vote.digest))
    return
  }
  commitBatch(state, slot, batch)
}
