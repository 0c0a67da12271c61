import { hold } from './conditions.ts'
import type { Replica } from '@heddle/pbft'
import type { ConditionSink } from './conditions.ts'

/** So many batches behind the others it is said, in the consensus. More than are under way in health: K × L is 40. */
export const maxBehind = 60n

/** What {@link replicaCheck} looks at. */
export interface ReplicaCheckDeps {
  readonly replica: Pick<Replica, 'state' | 'status'>
  readonly conditions: ConditionSink
}

/** Says when the consensus of this validator does not run or does not vote, or is behind the others. */
export function replicaCheck({ replica, conditions }: ReplicaCheckDeps): () => void {
  const say = (name: Parameters<typeof hold>[1], reason: string | undefined): void =>
    hold(conditions, name, reason === undefined ? undefined : { reason })
  return () => {
    const { notVoting, highestKnown, lowWatermark, lastExecuted } = replica.status()
    const runs = replica.state === 'started'
    say('consensus-stopped', runs ? undefined : `the replica is ${replica.state}`)
    say('not-voting', notVoting)
    // A stable checkpoint may be beyond all that is known besides.
    const known = lowWatermark > highestKnown ? lowWatermark : highestKnown
    const behind = known - lastExecuted
    say(
      'behind',
      behind < maxBehind
        ? undefined
        : `${behind} batches behind the others: ${lastExecuted} of ${known} are executed`,
    )
  }
}
