import type { State } from './state.ts'

/** Whether this replica knows all that it ever said, as far as it and others can tell. */
export function remembers({ amnesia, asking }: State): boolean {
  return amnesia === undefined && asking === undefined
}

/** Whether this replica cannot contradict itself by a vote in its view. */
export function mayVote(state: State): boolean {
  return remembers(state) && state.view >= state.votesFrom
}
