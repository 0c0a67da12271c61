import { raise } from './heard.ts'
import { newInquiry } from './inquiry.ts'
import type { Status } from './messages.ts'
import { advance, sendPrepare } from './ordering.ts'
import type { JournalRecord } from './protocol.ts'
import type { State } from './state.ts'
import { statusOf } from './status-message.ts'
import { mayVote, remembers } from './voting.ts'

/*
 * A replica that lost records of its journal may have said what it knows nothing of. It says nothing
 * then that could contradict that, and only executes what the others commit (cf. TOCS '02 §4,
 * recovery), until two things are sure:
 *
 * - Its votes. Let h be its stable checkpoint when it stopped: it voted for nothing above h + L. A
 *   quorum signed for h, so any quorum of others has a correct one among them that had executed h by
 *   then, and has executed no less now. So the most that the members of such a quorum executed, plus
 *   L, is a bound. Once a checkpoint from there on is stable, nothing that it ever voted for counts.
 * - Its view-changes. Be u the latest view that a quorum left others for. No correct replica is in a
 *   view above u + 1: it leaves only a view that began, or that a quorum waited for, or follows a
 *   correct one. Any quorum of others has a correct one among them that is in u or later. So the
 *   latest view of such a quorum, plus 1, is a bound; in that view it has not voted either, as it has
 *   not begun. So from the checkpoint on it changes views, to this one or later, and votes in them.
 *
 * Of all quorums of others the one with the least is taken, so that n - 1 - quorum liars cannot put the
 * end off: that is f - 1 when n = 3f + 1. One more can, for as long as they lie: the replica goes on
 * asking until it votes, and takes the least that each ever answered. That is a bound as good as the
 * first, for it has not voted meanwhile, and what was true of its votes and views then is true still.
 * Nor does it leave for a view that is far from where the others are.
 *
 * What they say counts only if they heard this life of the replica first (a random number that they
 * repeat), and have not forgotten anything themselves.
 */

/** What a replica knows of its own amnesia. */
export interface Amnesia {
  /** A stable checkpoint from here on ends it; undefined until a quorum of others answered. */
  until: bigint | undefined
}

/** Replicas `heardBy` heard more from this one than it knows of: it forgot what it said. */
export function forget(state: State, heardBy: readonly number[]): void {
  state.asking = undefined
  state.amnesia = { until: undefined }
  state.votesFrom = 0n
  // Until now it voted, perhaps: what they answered before is no bound any more.
  state.inquiry = { ...newInquiry(), query: state.inquiry.query + 1n }
  remember(state)
  tell(state, heardBy)
  state.broadcast(statusOf(state))
}

/** Asks the others where they are, if it may not vote. @param query - random, not 0 */
export function askForBounds(state: State, query: bigint): void {
  state.inquiry.query = query
  if (state.amnesia !== undefined) remember(state)
  if (!mayVote(state)) tell(state)
}

function remember(state: State): void {
  state.persist(amnesiaRecord(state))
}

/** What a restart has to know of an amnesia, be it over. */
export function amnesiaRecord({
  amnesia,
  votesFrom,
  said,
}: State): JournalRecord & { readonly type: 'amnesia' } {
  const over = amnesia === undefined
  return { type: 'amnesia', until: over ? said.accepted : amnesia.until, votesFrom, over }
}

/** Answers a replica that may have forgotten; with where it is itself only if this one did not. */
export function onQuery(state: State, from: number, query: bigint): void {
  if (query === 0n) return
  // In a life before, it may have left for that view.
  const view = state.view > state.votesFrom ? state.view : state.votesFrom
  const status = statusOf(state)
  // Who answered already is not asked again at once: two that both ask would never end.
  const own = state.inquiry.echoed.has(from) ? 0n : status.query
  const reply = remembers(state) ? query : 0n
  state.send(from, { ...status, view, query: own, reply, echo: query })
}

/** Whether it forgot what it said, and is not yet where that does not matter any more. */
const needsBounds = ({ amnesia, view, votesFrom }: State): boolean =>
  amnesia !== undefined || view < votesFrom

/** An answer, if this replica asked for it. */
export function onReply(state: State, from: number, { reply, lastExecuted, view }: Status): void {
  const { query, answers } = state.inquiry
  if (reply === 0n || query !== reply || !needsBounds(state)) return
  const before = answers.get(from) ?? { lastExecuted, view }
  answers.set(from, {
    lastExecuted: least(before.lastExecuted, lastExecuted),
    view: least(before.view, view),
  })
  learnBounds(state)
}

function learnBounds(state: State): void {
  const { amnesia, window } = state
  const answers = [...state.inquiry.answers.values()]
  const executed = quorumLeast(state, answers, 'lastExecuted')
  const view = quorumLeast(state, answers, 'view')
  if (executed === undefined || view === undefined) return
  // What was learnt before, in this life or an earlier one, holds too.
  const until = amnesia && least(amnesia.until ?? executed + window, executed + window)
  const votesFrom = state.votesFrom === 0n ? view + 1n : least(state.votesFrom, view + 1n)
  if (until === amnesia?.until && votesFrom === state.votesFrom) return
  if (amnesia !== undefined) amnesia.until = until
  state.votesFrom = votesFrom
  remember(state)
  tell(state)
  if (amnesia === undefined) voteForAccepted(state)
  else recover(state)
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** The most that the quorum with the least says; undefined while there is no quorum. */
function quorumLeast<Key extends 'lastExecuted' | 'view'>(
  { quorum }: State,
  answers: readonly Pick<Status, Key>[],
  key: Key,
): bigint | undefined {
  return answers.map((answer) => answer[key]).sort((a, b) => (a < b ? -1 : 1))[quorum - 1]
}

/** Ends the amnesia when a stable checkpoint is beyond all that may have been voted for. */
export function recover(state: State): void {
  const { amnesia, lowWatermark } = state
  if (amnesia?.until === undefined || lowWatermark < amnesia.until) return
  endAmnesia(state, amnesia.until)
}

/** It said nothing beyond sequence number `until`, nor in a view from `votesFrom` on. */
export function endAmnesia(state: State, until: bigint): void {
  state.amnesia = undefined
  raise(state.said, { view: state.votesFrom, accepted: until, committed: until })
  remember(state)
  tell(state)
  voteForAccepted(state)
}

/** Says of what it accepted in its view what it would have said then, as far as it may now. */
export function voteForAccepted(state: State): void {
  for (const slot of [...state.slots.values()]) {
    if (slot.sequence <= state.lowWatermark) continue
    if (!state.isPrimary) sendPrepare(state, slot)
    advance(state, slot)
  }
}

/** This replica is in `view` now, or waits for it. */
export function moveTo(state: State, view: bigint): void {
  const couldVote = mayVote(state)
  state.view = view
  if (!couldVote && mayVote(state)) tell(state)
}

/** Tells the owner whether, and if not when, this replica votes. */
export function tell(state: State, heardBy?: readonly number[]): void {
  const { amnesia, votesFrom, inquiry } = state
  const until = amnesia?.until
  const forgetful = [...inquiry.echoed.keys()].filter((each) => !inquiry.answers.has(each))
  const told = { type: 'voting', isVoting: mayVote(state), until, votesFrom, forgetful } as const
  state.emit(heardBy === undefined ? told : { ...told, heardBy })
}

/** A status interval ended: as long as there are no bounds, it says who else forgot. */
export function askForBoundsOn(state: State): void {
  state.inquiry.intervals++
  if (state.amnesia !== undefined && state.amnesia.until === undefined) tell(state)
}
