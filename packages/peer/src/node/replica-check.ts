import { hold } from './conditions.ts'
import type { Clock } from '@heddle/interface'
import type { Replica, ReplicaStatus } from '@heddle/pbft'
import type { ConditionSink } from './conditions.ts'

/**
 * So many batches behind the others it is said, in the consensus, and not before they are more than its window has
 * (40 by default): a number in it may be the word of one.
 */
export const maxBehind = 60n

/** A view change that takes so many milliseconds is said: either nothing is ordered, or it left alone. */
export const longViewChangeMs = 8000

/** What {@link replicaCheck} looks at. */
export interface ReplicaCheckDeps {
  readonly replica: Pick<Replica, 'state' | 'status'>
  /** See {@link StartCheck}. */
  readonly isStarting: () => boolean
  readonly conditions: ConditionSink
  readonly clock: Clock
}

/** Says when the consensus of this validator does not run or does not vote, or is behind the others. */
export function replicaCheck(deps: ReplicaCheckDeps): () => void {
  const { replica, isStarting, conditions, clock } = deps
  const say = (name: Parameters<typeof hold>[1], reason: string | undefined): void =>
    hold(conditions, name, reason === undefined ? undefined : { reason })
  let changingSince: number | undefined
  const awaitedView = ({
    activeView,
    view,
  }: Pick<ReplicaStatus, 'activeView' | 'view'>): string | undefined => {
    changingSince = activeView ? undefined : (changingSince ?? clock.now())
    const isLong = changingSince !== undefined && clock.now() - changingSince >= longViewChangeMs
    return isLong ? `waits for view ${view}, in which it votes once the others enter it` : undefined
  }
  return () => {
    const { isAsking, heardBy, forgetful, ...status } = replica.status()
    const notVoting = isAsking && isStarting() ? undefined : status.notVoting
    const { highestKnown, lowWatermark, highWatermark, lastExecuted } = status
    say('consensus-stopped', whyStopped(replica.state, isStarting()))
    const awaited = awaitedView(status)
    const why = notVoting === undefined ? awaited : notVoting + alsoSilent(forgetful)
    const isSetBack = notVoting !== undefined && heardBy.length > 0
    say('rolled-back', isSetBack ? why : undefined)
    say('not-voting', isSetBack ? undefined : why)
    // A stable checkpoint may be beyond all that is known besides.
    const known = lowWatermark > highestKnown ? lowWatermark : highestKnown
    const behind = known - lastExecuted
    const window = highWatermark - lowWatermark
    say(
      'behind',
      behind < maxBehind || behind <= window
        ? undefined
        : `${behind} batches behind the others: ${lastExecuted} of ${known} are executed`,
    )
  }
}

function whyStopped(state: Replica['state'], isStarting: boolean): string | undefined {
  const begins = isStarting && (state === 'idle' || state === 'starting')
  return state === 'started' || begins ? undefined : `the replica is ${state}`
}

/** When no quorum is left that remembers, only its owners can help. */
function alsoSilent(forgetful: readonly number[]): string {
  if (forgetful.length === 0) return ''
  return `; nor do validators ${forgetful.join(', ')}: if all were set back, start all with --accept-lost-blocks`
}
