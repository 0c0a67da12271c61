import { InvariantError } from '@heddle/interface'
import { moveTo } from './amnesia.ts'
import { certify } from './checkpoints.ts'
import { commitBatch, executeNext, transferIfBehind } from './execution.ts'
import { forgetUnwanted, want } from './fetching.ts'
import { keepHeard, keepLearnt } from './heard.ts'
import { NULL_BATCH, NULL_DIGEST } from './messages.ts'
import type { Batch, NewView, ViewChange } from './messages.ts'
import { acceptBatch, advance, sendPrepare } from './ordering.ts'
import type { Slot } from './slot.ts'
import { holdersOf, selectReplay } from './selection.ts'
import type { ReplayedView } from './selection.ts'
import type { PendingView, State } from './state.ts'
import { statusOf } from './status-message.ts'
import { viewChangeProblem } from './view-change-rules.ts'

/** The new primary has a quorum: it begins as soon as that decides every sequence number (§4.4). */
export function tryNewView(state: State, viewChanges: readonly ViewChange[]): void {
  if (state.pendingView !== undefined) return
  const replay = selectReplay(viewChanges, state)
  if (replay === undefined) return // one more view-change may decide
  const { view } = state
  prepareView(state, { newView: undefined, view, viewChanges, replay })
}

/** Another replica shows the new-view of `newView.view`; its primary signed it, whoever relays it. */
export function onNewView(state: State, from: number, newView: NewView): void {
  const { view, viewChanges } = newView
  if (view < state.view || (view === state.view && state.active)) return
  if (state.pendingView !== undefined && state.pendingView.view >= view) return
  const problem = newViewProblem(state, newView)
  const replay = problem === undefined ? selectReplay(viewChanges, state) : undefined
  if (replay === undefined) {
    state.reject(from, 'PBFT_INVALID_NEW_VIEW', problem ?? 'its view-changes decide too little')
    return
  }
  prepareView(state, { newView, view, viewChanges, replay })
}

function newViewProblem(state: State, { view, viewChanges }: NewView): string | undefined {
  const replicas = new Set(viewChanges.map((vc) => vc.replica))
  if (replicas.size !== viewChanges.length) return 'a replica twice'
  if (replicas.size < state.quorum) return 'fewer than a quorum'
  for (const viewChange of viewChanges) {
    if (viewChange.view !== view) return 'a view-change for another view'
    const problem = viewChangeProblem(state, viewChange)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Gets the batches that the view starts with, where they are missing, and enters it. */
function prepareView(state: State, next: Omit<PendingView, 'isSigning'>): void {
  const pending = { ...next, isSigning: false }
  state.pendingView = pending
  forgetUnwanted(state)
  const missing = missingBatches(state, pending.replay)
  for (const { sequence, digest } of missing) {
    want(
      state,
      { view: pending.view, sequence, digest },
      holdersOf(pending.viewChanges, sequence, digest),
    )
  }
  if (missing.length === 0) beginView(state, pending)
}

/** What the replay names, this replica needs, and does not have. */
function missingBatches(state: State, { base, digests }: ReplayedView) {
  return digests
    .map((digest, index) => ({ sequence: base + BigInt(index) + 1n, digest }))
    .filter(
      ({ sequence, digest }) =>
        sequence > state.lowWatermark &&
        digest !== NULL_DIGEST &&
        state.slots.get(sequence)?.batch(digest) === undefined &&
        state.fetched.get(digest) === undefined,
    )
}

/** A batch arrived; its digest was computed here, so whoever sent it cannot have changed it. */
export function onBatch(state: State, batch: Batch): void {
  for (const [sequence, wanted] of state.wanted) {
    if (wanted.digest !== batch.digest) continue
    state.wanted.delete(sequence)
    const slot = state.slots.get(sequence)
    if (slot?.decided?.digest === batch.digest) {
      keepLearnt(state, sequence)
      commitBatch(state, slot, batch)
    } else state.fetched.set(batch.digest, batch)
  }
  resumePendingView(state)
  if (state.wanted.size === 0) state.stopTimer('fetch')
}

/** A batch came, or the stable checkpoint moved: perhaps a pending view waits for nothing any more. */
export function resumePendingView(state: State): void {
  const pending = state.pendingView
  if (pending === undefined || state.failed) return
  if (missingBatches(state, pending.replay).length === 0) beginView(state, pending)
}

/** The primary signs first and enters with {@link onOwnNewView}; a backup enters at once. */
function beginView(state: State, pending: PendingView): void {
  if (pending.newView !== undefined) {
    enterView(state, pending.newView, pending.replay)
    return
  }
  if (pending.isSigning) return
  pending.isSigning = true
  const { view, viewChanges } = pending
  state.emit({ type: 'sign', statement: { type: 'new-view', view, viewChanges } })
}

/** This replica's own new-view, signed. */
export function onOwnNewView(state: State, newView: NewView): void {
  const pending = state.pendingView
  // Of an asynchronous signer: overtaken by a later view, or by the new-view of one that is awaited.
  if (pending?.isSigning !== true || pending.view !== newView.view) return
  enterView(state, newView, pending.replay)
}

/** Takes part in `newView.view` from here on, beginning with what the view-changes carried over. */
function enterView(state: State, newView: NewView, replay: ReplayedView): void {
  const { view } = newView
  const isLate = state.viewChanges[state.id]?.view !== view
  if (view > state.view) state.attempts++
  moveTo(state, view)
  state.active = true
  state.newView = newView
  state.pendingView = undefined
  state.isLate = false
  state.stopTimer('newView')
  state.viewChanges[state.id] = undefined
  for (const slot of state.slots.values()) slot.current = undefined
  state.emit({ type: 'viewChanged', view, primary: state.primary, active: true })
  certify(state, replay.certificate)
  const top = replay.base + BigInt(replay.digests.length)
  state.nextSequence =
    [top, state.lowWatermark, state.lastExecuted].reduce((a, b) => (a > b ? a : b)) + 1n
  replayBatches(state, replay, newView)
  executeNext(state)
  transferIfBehind(state)
  // Who took no part in the view change may have missed what was said since: it asks at once.
  if (isLate) state.broadcast(statusOf(state))
}

function replayedBatch(state: State, slot: Slot, digest: string): Batch {
  if (digest === NULL_DIGEST) return NULL_BATCH
  const batch = slot.batch(digest) ?? state.fetched.get(digest)
  if (batch === undefined) throw new InvariantError(`a view began without batch ${digest}`)
  return batch
}

/** Pre-prepares anew what the view-changes carried over; backups prepare it (§4.4). */
function replayBatches(state: State, replay: ReplayedView, newView: NewView): void {
  const slots = []
  for (const [index, digest] of replay.digests.entries()) {
    const sequence = replay.base + BigInt(index) + 1n
    const slot = sequence > state.lowWatermark ? state.slot(sequence) : undefined
    if (slot === undefined) continue
    if (slot.committed !== undefined && slot.committed.digest !== digest) {
      state.fail(
        `view ${state.view.toString()} gives ${sequence.toString()} to another batch than was committed`,
      )
      return
    }
    acceptBatch(state, slot, replayedBatch(state, slot, digest), true)
    slots.push(slot)
  }
  forgetUnwanted(state)
  // Only now: a record of the view stands for all of its batches, which come before it.
  state.persist({ type: 'new-view', newView })
  keepHeard(state)
  if (state.isPrimary) state.broadcast(newView)
  for (const slot of slots) {
    if (!state.isPrimary) sendPrepare(state, slot)
    advance(state, slot)
  }
}
