import { endAmnesia } from './amnesia.ts'
import { announceCheckpointAt } from './checkpoints.ts'
import { heardFrom, nothingSaid, raise } from './heard.ts'
import type { GrowingSaid } from './heard.ts'
import { answersOf, fetchFurthest } from './recollection.ts'
import type { Answer } from './recollection.ts'
import type { State } from './state.ts'
import { startViewChange } from './view-change.ts'

/*
 * When all were set back, or so many that those that remember are no quorum any more, nobody can tell
 * the others what they said, and no vote is safe again: what an owner was told is done may be in no
 * data folder any more. Only people can accept that. Once the owners of a quorum did, and no replica
 * that answers objects, they begin anew from the furthest state that any of them has: first all fetch
 * it, then they leave for a view beyond all of theirs. What was in a state that one of them has stays.
 *
 * It is not done while a quorum of others remembers: then there is a safe way, see amnesia.ts.
 */

/** For so many status intervals those that have not answered are waited for. */
export const missingIntervals = 10
/** How often the state of one replica is asked for before it counts as not to be had. */
export const maxFetches = 3

/** Goes on if this replica forgot what it said, and all whom it concerns accept what that may cost. */
export function goOnWithLoss(state: State): void {
  if (state.amnesia === undefined || state.options.acceptLoss !== true) return
  const answers = answersOf(state)
  if (!isAgreed(state, answers) || isFetching(state, answers)) return
  const { inquiry } = state
  for (const view of [state.view, ...inquiry.echoed.values()])
    if (view >= state.votesFrom) state.votesFrom = view + 1n
  raise(state.said, believed(state, answers))
  endAmnesia(state, state.said.accepted)
  proveAnew(state)
  startViewChange(state, state.votesFrom)
}

function isAgreed({ n, quorum, inquiry }: State, answers: readonly Answer[]): boolean {
  const remembering = inquiry.answers.size
  if (remembering >= quorum || answers.length + 1 < quorum) return false
  if (answers.length < n - 1 && inquiry.intervals < missingIntervals) return false
  return answers.every(({ status }) => status.acceptsLoss)
}

/** Whether the furthest state is on its way, or must be waited for. */
function isFetching(state: State, answers: readonly Answer[]): boolean {
  const { fetches } = state.inquiry
  const ahead = answers.filter(({ status }) => status.lastExecuted > state.lastExecuted)
  // Without a proof the word of f + 1 leads there, see catch-up.ts; that of fewer counts for nothing.
  if (state.options.provesTransfers !== true) return ahead.length >= state.weakQuorum
  const left = ahead.filter(({ replica }) => (fetches.get(replica) ?? 0) < maxFetches)
  return fetchFurthest(state, left, (replica) =>
    fetches.set(replica, (fetches.get(replica) ?? 0) + 1),
  )
}

/** How far f + 1 others say that this replica went: nothing less may make it doubt itself again. */
function believed({ id, weakQuorum }: State, answers: readonly Answer[]): GrowingSaid {
  const heard = answers.map(({ status }) => heardFrom(status, id))
  const said = nothingSaid()
  for (const key of ['view', 'accepted', 'committed'] as const) {
    const sorted = heard.map((each) => each[key]).sort((a, b) => (a > b ? -1 : 1))
    said[key] = sorted[weakQuorum - 1] ?? 0n
  }
  return said
}

/** The proof of the last checkpoint may be lost with the journals: all sign it again. */
function proveAnew(state: State): void {
  const { lastExecuted, period, lowWatermark } = state
  const sequence = lastExecuted - (lastExecuted % period)
  const digest = state.digestsDownTo(sequence - 1n)[Number(lastExecuted - sequence)]
  if (sequence > lowWatermark && digest !== undefined)
    announceCheckpointAt(state, { sequence, digest })
}
