import type { State } from './state.ts'

/** Whether this replica cannot contradict itself by a vote in its view. */
export function mayVote({ amnesia, view, votesFrom }: State): boolean {
  return amnesia === undefined && view >= votesFrom
}
