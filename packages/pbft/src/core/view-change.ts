import { moveTo } from './amnesia.ts'
import { countLone, followsLone, maxLeap, maxRestIntervals, nearestOf } from './lone.ts'
import { reasonsToLeave, viewAfter } from './lone.ts'
import type { Claim, ViewChange, ViewChangeStatement } from './messages.ts'
import { tryNewView } from './new-view.ts'
import { isSilent } from './silence.ts'
import type { State } from './state.ts'
import { currentViewChanges } from './status-message.ts'
import { viewChangeProblem } from './view-change-rules.ts'
import { mayVote, remembers } from './voting.ts'

/** The owner of the requests says that the primary of `view` does not do its work. */
export function onSuspect(state: State, view: bigint): void {
  if (view === state.view && state.active) startViewChange(state, view + 1n)
}

/** The owner of the requests says whether the oldest one has waited for half its time in `view`. */
export function onLate(state: State, view: bigint, isLate: boolean): void {
  if (view !== state.view || !state.active) return
  state.isLate = isLate
  leaveEarly(state)
}

/** The owner of the requests says that time-outs of `factor` times the usual ones are long enough. */
export function onCalm(state: State, view: bigint, factor: number): void {
  if (view !== state.view || !state.active) return
  const attempts = factor === 1 ? 0 : Math.log2(factor) + 1
  if (attempts < state.attempts) state.attempts = attempts
}

/**
 * Half the patience is enough when there is another reason to think ill of the primary: somebody left
 * the view already, for which a quorum may lack it from now on, or the primary is out of reach. A liar
 * that leaves views for nothing can halve the time that a late request waits, now and then.
 */
export function leaveEarly(state: State): void {
  if (!state.active || !state.isLate || state.isPrimary) return
  const reasons = reasonsToLeave(state)
  if (reasons.length === 0 && !isSilent(state, state.primary)) return
  if (!startViewChange(state, state.view + 1n)) return
  for (const lone of reasons) lone.restIntervals = maxRestIntervals
}

/**
 * Leaves the current view for `view` (§4.4): from now on only checkpoints and view changes count. False
 * when it stays, as it does not know what it said before.
 */
export function startViewChange(state: State, next: bigint): boolean {
  if (!remembers(state) || state.votesFrom > next + maxLeap) return false
  const view = next > state.votesFrom ? next : state.votesFrom
  // Nothing was wrong with the view when others leave it for one that cannot come back alone.
  if (!followsLone(state)) state.attempts++
  moveTo(state, view)
  state.active = false
  // What was fetched for it, and what is on its way, the next new-view will name again.
  state.pendingView = undefined
  state.newViewTimerStarted = false
  state.stopTimer('newView')
  for (const slot of state.slots.values()) slot.current = undefined
  state.emit({ type: 'viewChanged', view, primary: state.primary, active: false })
  state.emit({ type: 'sign', statement: viewChangeOf(state) })
  return true
}

/** A status interval ended: goes after those that left the view alone, when it is time. */
export function followLone(state: State, isIdle: boolean): void {
  const view = countLone(state, isIdle)
  if (view !== undefined) startViewChange(state, view)
}

/**
 * A status interval ended, and all that this replica lacks to vote is another view: leaves for it. The
 * others follow when it costs them least, see {@link loneIntervals}.
 */
export function leaveToVote(state: State): void {
  if (!mayVote(state)) startViewChange(state, state.view + 1n)
}

/** P, Q and the proof of h, of everything above h. */
function viewChangeOf(state: State): ViewChangeStatement {
  const prepared: Claim[] = []
  const prePrepared: Claim[] = []
  for (const [sequence, slot] of state.slots) {
    if (sequence <= state.lowWatermark) continue
    if (slot.prepared !== undefined) prepared.push(slot.prepared)
    for (const [digest, { view }] of slot.prePrepared)
      // A crash may leave a batch of a view whose new-view did not get into the journal: nothing was
      // said about it, and a claim for a later view than the one left would be refused.
      if (view < state.view) prePrepared.push({ sequence, digest, view })
  }
  return {
    type: 'view-change',
    view: state.view,
    replica: state.id,
    lowWatermark: state.lowWatermark,
    stable: state.stable.checkpoints,
    prepared,
    prePrepared,
  }
}

/** This replica's own view-change, signed: durable, then told to all. */
export function onOwnViewChange(state: State, viewChange: ViewChange): void {
  if (state.active || viewChange.view !== state.view) return // overtaken
  state.viewChanges[state.id] = viewChange
  state.persist({ type: 'view-change', viewChange })
  state.broadcast(viewChange)
  considerNewView(state)
}

/** A view-change of another replica: the latest of each is kept, so nobody can fill the memory. */
export function onViewChange(state: State, from: number, viewChange: ViewChange): void {
  const { view, replica } = viewChange
  if (view < state.view || (view === state.view && state.active)) return
  const known = state.viewChanges[replica]
  if (replica === state.id || (known !== undefined && known.view >= view)) return
  const problem = viewChangeProblem(state, viewChange)
  if (problem !== undefined) {
    state.reject(from, 'PBFT_INVALID_VIEW_CHANGE', `of replica ${String(replica)}: ${problem}`)
    return
  }
  state.viewChanges[replica] = viewChange
  followOthers(state)
}

/** Others left the view, and this replica can leave it now: does what is due about it. */
export function followOthers(state: State): void {
  joinOthers(state)
  leaveEarly(state)
  considerNewView(state)
}

/**
 * Follows f + 1 others that left for later views, one of which is correct (§4.5.2): to the view
 * that f + 1 of them reached, the smallest of the set when it has no more than that.
 */
function joinOthers(state: State): void {
  const later = state.viewChanges
    .map((vc) => vc?.view ?? 0n)
    .filter((view) => view > state.view)
    .sort((a, b) => (a > b ? -1 : 1))
  const target = later[state.weakQuorum - 1]
  if (target !== undefined) startViewChange(state, target)
}

/** At a quorum for its view, a replica starts the timer, once; the new primary tries to begin. */
function considerNewView(state: State): void {
  if (state.active || !remembers(state)) return
  // Who went on to a later view gave this one up as well. Counting only those for this very view, as
  // the paper does, can leave two groups waiting in two views, each too small to go on.
  const supporters = state.viewChanges.filter((vc) => vc !== undefined && vc.view >= state.view)
  if (supporters.length >= state.quorum && !state.newViewTimerStarted) {
    state.newViewTimerStarted = true
    startNewViewTimer(state)
  }
  const viewChanges = currentViewChanges(state)
  if (state.isPrimary && viewChanges.length >= state.quorum) tryNewView(state, viewChanges)
}

/** A primary that is out of reach gets a status interval: if it can be reached again, it is heard then. */
function startNewViewTimer(state: State): void {
  const { viewChangeTimeoutMs, statusIntervalMs, maxTimeoutMs } = state.options
  state.isAwaitingSilent = isSilent(state, state.primary)
  state.intervalsAwaited = 0
  const usual = state.isAwaitingSilent
    ? Math.min(viewChangeTimeoutMs, statusIntervalMs)
    : viewChangeTimeoutMs
  state.startTimer('newView', Math.min(usual * state.timeoutFactor, maxTimeoutMs))
}

/** Something was heard from `replica`: if its new view is awaited, it gets all the time for it. */
export function awaitInFull(state: State, replica: number): void {
  if (!state.isAwaitingSilent || replica !== state.primary) return
  if (state.isRunning('newView')) startNewViewTimer(state)
}

/**
 * A status interval ended. The primary whose new view is awaited may have become silent since the
 * timer was started: then a whole interval was enough for it, too.
 */
export function awaitNoLonger(state: State): void {
  if (!state.isRunning('newView')) return
  const isOver = state.intervalsAwaited > 0 && !state.isAwaitingSilent
  state.intervalsAwaited++
  if (isOver && isSilent(state, state.primary)) startViewChange(state, viewAfterAwaited(state))
}

/** The new primary took too long: on to the next one, with twice the patience (§4.5.2). */
export function onNewViewTimeout(state: State): void {
  startViewChange(state, viewAfterAwaited(state))
}

/**
 * The next view. When too few wait for this one because others are further, alone, it is the nearest
 * view of those: with the rest out of reach none before it could begin, and each would take longer.
 */
function viewAfterAwaited(state: State): bigint {
  const next = state.view + 1n
  const views = state.viewChanges.map((vc) => vc?.view ?? 0n)
  const isNextAnyway = views.includes(next) || currentViewChanges(state).length >= state.quorum
  if (isNextAnyway) return next
  const away = [...views.entries()].filter(([, view]) => view > next && view <= next + maxLeap)
  return nearestOf(away.map(([id, view]) => viewAfter(state, id, view))) ?? next
}
