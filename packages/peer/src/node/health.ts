import { quorumOf } from '@heddle/pbft'
import type { Replica } from '@heddle/pbft'
import type { HealthCheck } from '../operations/server.ts'

/** What a validator says of itself. */
export interface HealthDeps {
  readonly replica: Pick<Replica, 'state' | 'status'>
  /** Other validators connected now. */
  readonly connected: () => number
}

/** What `/healthz` asks: whether this validator takes part, and reaches enough others for a quorum. */
export function healthChecks({ replica, connected }: HealthDeps): HealthCheck[] {
  const others = quorumOf(replica.status().n) - 1
  return [
    {
      component: 'consensus.pbft',
      check: () => (replica.state === 'started' ? undefined : `the replica is ${replica.state}`),
    },
    {
      component: 'gossip.comm',
      check: () =>
        connected() >= others
          ? undefined
          : `connected with ${connected()} validators, a quorum needs ${others}`,
    },
  ]
}
