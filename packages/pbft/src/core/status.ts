import { askForBoundsOn, onQuery, onReply } from './amnesia.ts'
import { goOnWithLoss } from './lost-blocks.ts'
import { askOn, recollect } from './recollection.ts'
import { mayVote } from './voting.ts'
import { transferIfStuck } from './catch-up.ts'
import { transferIfBehind } from './execution.ts'
import { bytesOf, maxNumber } from './messages.ts'
import { countSilence } from './silence.ts'
import type { Slot } from './slot.ts'
import { statusOf } from './status-message.ts'
import type { SlotStatus, Status } from './messages.ts'
import type { State } from './state.ts'
import { awaitNoLonger, followLone, leaveEarly, leaveToVote } from './view-change.ts'

/** Says where this replica is, so that the others send what it lacks (TOCS '02 §5.2). */
export function broadcastStatus(state: State): void {
  state.broadcast(statusOf(state))
}

/** This replica missed what was said for a while: it need not wait for the interval to end. */
export function askAgain(state: State): void {
  if (state.asksAgain <= 0) return
  state.asksAgain--
  broadcastStatus(state)
}

/** Once per interval: tell, allow the others to ask again, and see to it that the log leads on. */
export function onStatusTimeout(state: State): void {
  state.startTimer('status', state.options.statusIntervalMs)
  askOn(state)
  askForBoundsOn(state)
  goOnWithLoss(state)
  state.refillAllowances()
  countSilence(state)
  leaveEarly(state)
  const isStill = state.executedAtLastStatus === state.lastExecuted
  followLone(state, isStill)
  leaveToVote(state)
  awaitNoLonger(state)
  if (isStill) {
    transferIfBehind(state)
    repeatPrepares(state)
  }
  transferIfStuck(state, isStill)
  state.executedAtLastStatus = state.lastExecuted
  broadcastStatus(state)
}

/**
 * Tells again what was accepted in this view and is not final. Who executed it in an earlier view is
 * not asked about it by status messages, but may lack these prepares to commit it in this view too.
 */
function repeatPrepares(state: State): void {
  if (!mayVote(state)) return
  for (const { committed, prepares, sequence } of state.slots.values()) {
    const own = prepares.of(state.id)
    if (sequence <= state.lastExecuted || committed !== undefined) continue
    if (own?.view === state.view) state.broadcast({ ...own, type: 'prepare' })
  }
}

/** Sends `from` what it lacks and this replica has, and nothing else. */
export function onStatus(state: State, from: number, status: Status): void {
  const { view, lastExecuted, lowWatermark } = status
  if ([view, lastExecuted, lowWatermark].some((number) => number > maxNumber)) {
    state.reject(from, 'PBFT_INVALID_STATUS', `a number above ${maxNumber.toString()}`)
    return
  }
  const previous = state.statuses[from]
  state.statuses[from] = status
  recollect(state, from, status)
  onReply(state, from, status)
  const allowance = state.allowanceOf(from)
  if (allowance.answers <= 0) {
    state.reject(from, 'PBFT_TOO_MANY_REQUESTS', 'status')
    return
  }
  allowance.answers--
  noteExecuted(state)
  onQuery(state, from, status.query)
  goOnWithLoss(state)
  answerView(state, from, status)
  // What is under way needs no second copy: only what did not move since the last status does.
  const behindCheckpoint = previous === undefined || previous.lowWatermark >= status.lowWatermark
  if (behindCheckpoint) answerCheckpoint(state, from, status)
  const stuck = previous === undefined || previous.lastExecuted >= status.lastExecuted
  if (stuck) answerSlots(state, from, status)
}

/** Takes note of how far others executed: f + 1 of them say that they did. */
function noteExecuted(state: State): void {
  const claims = state.statuses.flatMap((status) => status?.lastExecuted ?? [])
  const proven = claims.sort((a, b) => (a > b ? -1 : 1))[state.weakQuorum - 1] ?? 0n
  if (proven > state.executedByOthers) state.executedByOthers = proven
}

function answerView(state: State, from: number, status: Status): void {
  if (status.view > state.view) return
  const older = status.view < state.view
  if (state.active) {
    if ((older || !status.active) && state.newView !== undefined) state.send(from, state.newView)
    return
  }
  const own = state.viewChanges[state.id]
  if (own !== undefined && (older || !status.viewChanges.includes(state.id))) state.send(from, own)
}

function answerCheckpoint(state: State, from: number, status: Status): void {
  if (status.lowWatermark < state.lowWatermark) state.send(from, state.stable)
  for (const own of state.checkpoints.of(state.id)) {
    if (own.sequence > status.lowWatermark) state.send(from, own)
  }
}

/**
 * Pre-prepares (as primary), prepares and commits of this replica. Batches only as far as the bytes
 * for this interval go, however often it is asked. Nothing while it may not vote: all of it is votes.
 */
function answerSlots(state: State, from: number, status: Status): void {
  if (!mayVote(state)) return
  const last = status.lastExecuted + 2n * state.window
  const allowance = state.allowanceOf(from)
  for (const slot of [...state.slots.values()].sort((a, b) => (a.sequence < b.sequence ? -1 : 1))) {
    if (slot.sequence <= status.lastExecuted || slot.sequence > last) continue
    if (allowance.resendBytes > 0) allowance.resendBytes -= answerSlot(state, from, status, slot)
  }
}

const nothing: SlotStatus = { prePrepared: false, prepared: false, committed: false }

/** Returns how many bytes of requests it sent. */
function answerSlot(state: State, from: number, status: Status, slot: Slot): number {
  const has = status.slots[Number(slot.sequence - status.lastExecuted - 1n)] ?? nothing
  if (has.committed) return 0
  const isTogether = status.active && status.view === state.view
  const bytes = isTogether ? answerInView(state, from, has, slot) : 0
  // A commit counts whatever the receiver's view: it may learn what it cannot vote on.
  if (slot.prepared !== undefined) state.send(from, { ...slot.prepared, type: 'commit' })
  return bytes
}

/** What counts only in the view that both take part in. */
function answerInView(state: State, from: number, has: SlotStatus, slot: Slot): number {
  const { view } = state
  const { sequence, current, prepares } = slot
  if (current === undefined) return 0
  const prepare = prepares.of(state.id)
  if (!has.prepared && prepare?.view === view) state.send(from, { ...prepare, type: 'prepare' })
  const { batch } = current
  if (has.prePrepared || !state.isPrimary || batch.requests.length === 0) return 0
  state.send(from, { type: 'pre-prepare', view, sequence, batch })
  return bytesOf(batch)
}
