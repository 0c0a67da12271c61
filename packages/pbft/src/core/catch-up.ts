import { transferTo } from './execution.ts'
import type { StateDigest } from './protocol.ts'
import type { State } from './state.ts'

/** A state that so many replicas claim to have been in that one of them is correct. */
interface ProvenState extends StateDigest {
  /** Those that claim it: f + 1 or more. */
  readonly replicas: number[]
}

/**
 * Once per status interval: fetches the state of others that are ahead when nothing else leads there.
 *
 * Commits of different views do not add up, and what was executed is not agreed on again until a new
 * view begins. So a replica that missed batches in several views, and is out of the view that the
 * others are in, would otherwise have to wait for the next stable checkpoint, which an idle network
 * never takes.
 *
 * @param isStill - whether nothing was executed since the last status timeout
 */
export function transferIfStuck(state: State, isStill: boolean): void {
  const proven = isStill ? provenState(state) : undefined
  state.intervalsBehind = proven === undefined ? 0 : state.intervalsBehind + 1
  if (proven === undefined || state.intervalsBehind < state.options.stuckIntervals) return
  transferTo(state, proven, proven.replicas)
}

/**
 * The latest state beyond this replica's own with a weak certificate (TOCS '02): f + 1 replicas
 * claim it in their latest status messages, so a correct one executed up to there, and what correct
 * replicas execute is committed for good.
 *
 * Not beyond the high watermark: a replica executes within its window. Whoever is further ahead has
 * a stable checkpoint to show.
 */
function provenState(state: State): ProvenState | undefined {
  const claims = new Map<string, ProvenState>()
  for (const [replica, status] of state.statuses.entries()) {
    if (status === undefined) continue
    for (const [index, digest] of status.digests.entries()) {
      const sequence = status.lastExecuted - BigInt(index)
      if (sequence <= state.lastExecuted || sequence > state.highWatermark) continue
      const key = `${sequence.toString()} ${digest}`
      const claim = claims.get(key)
      if (claim === undefined) claims.set(key, { sequence, digest, replicas: [replica] })
      else claim.replicas.push(replica)
    }
  }
  const proven = [...claims.values()].filter(({ replicas }) => replicas.length >= state.weakQuorum)
  return proven.reduce<ProvenState | undefined>(
    (best, next) => (best === undefined || next.sequence > best.sequence ? next : best),
    undefined,
  )
}
