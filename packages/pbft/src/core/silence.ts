import type { State } from './state.ts'

/** After so many status intervals in which nothing was heard from a replica, it counts as silent. */
export const silentIntervals = 2

/**
 * Replica `from` said something, whatever it was. What it says can make others wait for it, never
 * give it up; and it cannot make anybody seem silent but itself.
 *
 * @returns whether it had been silent
 */
export function hear(state: State, from: number): boolean {
  const wasSilent = isSilent(state, from)
  state.unheardFor[from] = 0
  return wasSilent
}

/** A status interval ended. Whoever runs sends a status message in each. */
export function countSilence(state: State): void {
  for (const [replica, intervals] of state.unheardFor.entries())
    state.unheardFor[replica] = intervals + 1
}

/**
 * Whether `replica` is known to be out of reach: nothing was heard from it for {@link silentIntervals},
 * while a quorum was. A replica that hears no quorum is cut off itself, or was paused, and cannot tell.
 *
 * It depends on how often messages come, not on how long they take: so in the end a correct replica is
 * not silent, however slow the network, and time-outs that double still reach what it needs.
 */
export function isSilent(state: State, replica: number): boolean {
  if (replica === state.id || !isUnheard(state, replica)) return false
  const heard = state.unheardFor.filter((_, id) => id === state.id || !isUnheard(state, id))
  return heard.length >= state.quorum
}

function isUnheard({ unheardFor }: State, replica: number): boolean {
  return (unheardFor[replica] ?? 0) > silentIntervals
}
