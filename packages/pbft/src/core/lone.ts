import { primaryOf } from './quorum.ts'
import type { State } from './state.ts'

/**
 * Who left a view alone may not vote in it any more, so that one more fault costs the quorum. After so
 * many status intervals in which nothing was executed the others follow it to the next view: then that
 * costs nobody anything. Under load it is followed as soon as a request is late.
 */
export const loneIntervals = 4

/** Under load, with no request late, it is followed after this many times as many intervals. */
export const busyFactor = 2

/**
 * Each time that the others follow a replica, the next time takes twice as long, up to so many such
 * intervals: what a liar that leaves every view can cost.
 */
export const maxLoneIntervals = 512

/**
 * How far beyond the view that it leaves for a replica goes, to be where it may vote, or where another
 * one does. The others are about there, unless somebody lied to it: then it stays, asking on, for it
 * could never come back.
 */
export const maxLeap = 64n

/** For so many status intervals the same replica halves nobody's patience again. */
export const maxRestIntervals = 30

/** A replica that may leave a view alone. */
export interface Lone {
  /** How long it has been in a later view than this replica: idle status intervals, and parts of busy ones. */
  intervals: number
  /** After so many of them it is followed. */
  patience: number
  /** For so many status intervals its leaving makes nobody leave early: see {@link reasonsToLeave}. */
  restIntervals: number
}

export function newLone(): Lone {
  return { intervals: 0, patience: loneIntervals, restIntervals: 0 }
}

/**
 * Those that left the view, each once in {@link maxRestIntervals}: a liar that leaves every view would
 * halve the patience of all others in each, and under load no view would last.
 */
export function reasonsToLeave({ viewChanges, view, lone }: State): Lone[] {
  return lone.filter(
    ({ restIntervals }, id) => restIntervals === 0 && (viewChanges[id]?.view ?? 0n) > view,
  )
}

/**
 * A status interval ended. Returns the view to follow somebody to, if it is time for that: the very one
 * where that one waits, for it may be there because of a lie and would not come back view by view; or the
 * next one, see {@link viewAfter}.
 *
 * @param isIdle - whether nothing was executed in it
 */
export function countLone(state: State, isIdle: boolean): bigint | undefined {
  for (const lone of state.lone) lone.restIntervals = Math.max(lone.restIntervals - 1, 0)
  if (!state.active) return undefined
  const due: bigint[] = []
  for (const [id, lone] of state.lone.entries()) {
    const left = state.viewChanges[id]?.view ?? 0n
    lone.intervals = left > state.view ? lone.intervals + (isIdle ? 1 : 1 / busyFactor) : 0
    if (lone.intervals >= lone.patience) due.push(viewAfter(state, id, left))
  }
  const nearest = nearestOf(due)
  if (nearest === undefined) return undefined
  const next = state.view + 1n
  // Nobody correct is further away alone.
  return nearest <= next + maxLeap ? nearest : next
}

/**
 * Where to go after a replica that waits in `view` alone: there, but not where it is the primary itself.
 * From there it follows the others, when it is correct. A liar would be the primary of every view that
 * they go to because of it, and each such view costs a time-out.
 */
export function viewAfter({ n }: State, replica: number, view: bigint): bigint {
  return primaryOf(view, n) === replica ? view + 1n : view
}

/** The least of these views. */
export function nearestOf(views: readonly bigint[]): bigint | undefined {
  let nearest: bigint | undefined
  for (const view of views) if (nearest === undefined || view < nearest) nearest = view
  return nearest
}

/**
 * The view is being left. Returns whether that is to follow somebody: at others it may have been time for
 * it up to an interval earlier than here.
 */
export function followsLone(state: State): boolean {
  const due = state.lone.filter(({ intervals, patience }) => intervals + 1 >= patience)
  for (const lone of due) {
    lone.intervals = 0
    lone.patience = Math.min(2 * lone.patience, maxLoneIntervals)
  }
  return due.length > 0
}
