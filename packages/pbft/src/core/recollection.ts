import { forget, tell, voteForAccepted } from './amnesia.ts'
import { transferTo } from './execution.ts'
import { exceeds, heardFrom } from './heard.ts'
import type { Status } from './messages.ts'
import type { State } from './state.ts'

/*
 * The journal of a replica may be an older copy, or none at all: whoever puts a folder back, or loses
 * it, makes the replica forget votes without a trace on its own disk. But what it said others heard, and
 * keep. So with its first status after a start it asks them, and votes when enough have answered.
 *
 * - f + 1 others that heard more than it knows of are believed, at any time: one of them is correct,
 *   and a correct replica is never heard to say what is not durable in its journal. Fewer are not: f
 *   liars silence nobody.
 * - To go on it needs answers of a quorum, itself counted, that heard nothing more, so it costs no
 *   liveness: fewer could agree on nothing. f liars among the others, or f that are down, leave enough.
 *   Those that have not answered get one status interval.
 * - When fewer than f + 1 say to be ahead, while the others are where this replica is, it may be that
 *   they were set back together with it. A state that proves itself is fetched from the furthest one
 *   then, before it votes: so what was acknowledged is not replaced as long as one that has it answers.
 *
 * The first start of a group passes at once: nobody heard anything.
 */

/** What a replica knows that asks the others what they heard from it. */
export interface Asking {
  /** Status intervals since it began. */
  intervals: number
  /** Whose state was asked for, once. */
  readonly tried: Set<number>
}

/** An answer in this life. */
export interface Answer {
  readonly replica: number
  readonly status: Status
}

/** Begins to ask, if there is anybody to ask and anything to forget. */
export function beginAsking(state: State): void {
  const { n, amnesia, inquiry } = state
  if (n === 1 || amnesia !== undefined || inquiry.query === 0n) return
  state.asking = { intervals: 0, tried: new Set() }
  tellAsking(state, state.asking)
}

/** A status interval ended. */
export function askOn(state: State): void {
  if (state.asking === undefined) return
  state.asking.intervals++
  tellAsking(state, state.asking)
  conclude(state)
}

function tellAsking(state: State, { intervals }: Asking): void {
  const { inquiry, n, id, quorum } = state
  const others = Array.from({ length: n }, (_, replica) => replica).filter((each) => each !== id)
  const unanswered = others.filter((each) => !inquiry.echoed.has(each))
  state.emit({ type: 'asking', unanswered, needed: quorum - 1, intervals })
}

/** What the others said last, of those that answered in this life. */
export function answersOf({ inquiry, statuses }: State): Answer[] {
  return [...inquiry.echoed.keys()].flatMap((replica) => {
    const status = statuses[replica]
    return status === undefined ? [] : [{ replica, status }]
  })
}

/** Replica `from` said where it is, and what it heard. */
export function recollect(state: State, from: number, { reply, echo, view }: Status): void {
  const { query, echoed } = state.inquiry
  const isAnswer = query !== 0n && (reply === query || echo === query)
  if (isAnswer && !echoed.has(from)) echoed.set(from, view)
  if (state.amnesia !== undefined) return
  const heardBy = witnesses(state)
  if (heardBy.length >= state.weakQuorum) forget(state, heardBy)
  else conclude(state)
}

/** The others that heard more from this replica than it knows of. */
function witnesses({ statuses, id, said }: State): number[] {
  return statuses.flatMap((status, replica) =>
    status !== undefined && exceeds(heardFrom(status, id), said) ? [replica] : [],
  )
}

/** Goes on when it was told enough. */
export function conclude(state: State): void {
  const { asking, n, quorum, id, said } = state
  if (asking === undefined) return
  const answers = answersOf(state)
  if (answers.length < n - 1 && asking.intervals === 0) return
  const denials = answers.filter(({ status }) => !exceeds(heardFrom(status, id), said))
  if (denials.length < quorum - 1) return
  if (fetchFromFew(state, asking, answers)) return
  state.asking = undefined
  tell(state)
  voteForAccepted(state)
}

/** Whether a state is on its way that few of the others say to be in. */
function fetchFromFew(state: State, { tried }: Asking, answers: readonly Answer[]): boolean {
  const ahead = answers.filter(({ status }) => status.lastExecuted > state.lastExecuted)
  if (ahead.length >= state.weakQuorum) return false
  if (state.options.provesTransfers !== true) return false
  const untried = ahead.filter(({ replica }) => !tried.has(replica))
  if (ahead.length === 0) return false
  return fetchFurthest(state, untried, (replica) => tried.add(replica))
}

/**
 * Asks the furthest of `ahead` for its state, which has to prove itself, and says so to `onFetch`.
 *
 * @param ahead - all of them executed more than this replica
 * @returns whether that, or what goes before it, is still to be waited for
 */
export function fetchFurthest(
  state: State,
  ahead: readonly Answer[],
  onFetch: (replica: number) => void,
): boolean {
  if (state.transfer !== undefined || state.lastScheduled > state.lastExecuted) return true
  if (ahead.length === 0) return false
  const furthest = ahead.reduce((a, b) => (b.status.lastExecuted > a.status.lastExecuted ? b : a))
  const { replica, status } = furthest
  // Who is asked knows that this replica is behind, and names its state.
  const [digest = ''] = status.digests
  onFetch(replica)
  transferTo(state, { sequence: status.lastExecuted, digest }, [replica])
  return true
}
