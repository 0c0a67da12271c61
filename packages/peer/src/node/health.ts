import { quorumOf } from '@heddle/pbft'
import type { Replica } from '@heddle/pbft'
import type { Problem } from '../operations/server.ts'
import type { StandstillWatch } from './standstill-watch.ts'

/** What a validator says of itself. */
export interface HealthDeps {
  readonly replica: Pick<Replica, 'state' | 'status'>
  /** Other validators connected now. */
  readonly connected: () => number
  readonly watch: Pick<StandstillWatch, 'standstill'>
}

/**
 * What is wrong with a validator: it does not take part, or does not vote, reaches too few others for a quorum, or
 * stands still. `/healthz` and `heddle network status` say it.
 */
export function problemsOf({ replica, connected, watch }: HealthDeps): Problem[] {
  const problems: Problem[] = []
  if (replica.state !== 'started')
    problems.push({ component: 'consensus.pbft', reason: `the replica is ${replica.state}` })
  const { n, notVoting } = replica.status()
  if (notVoting !== undefined) problems.push({ component: 'consensus.pbft', reason: notVoting })
  const needed = quorumOf(n) - 1
  if (connected() < needed) {
    const reason = `connected with ${connected()} validators, a quorum needs ${needed}`
    problems.push({ component: 'gossip.comm', reason })
  }
  const { standstill } = watch
  if (standstill !== undefined)
    problems.push({ component: standstill.component, reason: standstill.reason })
  return problems
}
