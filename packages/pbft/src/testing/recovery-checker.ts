import { faultsTolerated } from '../core/quorum.ts'
import { resolveReplicaOptions } from '../options.ts'
import type { StateMachine } from '../ports.ts'
import { SimulationError } from './checkers.ts'
import type { Cluster } from './cluster.ts'
import type { Submission } from './cluster-options.ts'

/** So long must a group have worked without faults for {@link checkRecovery} to promise anything. */
export const healthyWorkMs = 10_000

/** A request so often, given to the correct replicas in turn, once the one before was executed. */
const requestEveryMs = 100

/**
 * Whatever came before: after {@link healthyWorkMs} of healthy work, the crash of the primary costs
 * less than two time-outs. Ends all faults, works, crashes the primary, and throws when nothing is
 * executed in time. Call it when all replicas run and are level.
 *
 * @returns whether it could judge: the group tolerates a fault, nobody is {@link isOutOfVote out of vote}, no
 * liar after the crash either, and no request of the work took half a time-out, which would be reason enough
 * to suspect
 * @throws {SimulationError} PBFT_SIMULATION_FAILED
 */
export async function checkRecovery<M extends StateMachine>(cluster: Cluster<M>): Promise<boolean> {
  const { n, seed } = cluster
  if (faultsTolerated(n) === 0) return false
  const { requestTimeoutMs } = resolveReplicaOptions({ ...cluster.replicaOptions, id: 0, n })
  cluster.network.endFaults()
  if ((await work(cluster)) >= requestTimeoutMs / 2) return false
  const all = Array.from({ length: n }, (_, id) => id)
  if (all.some((id) => isOutOfVote(cluster, id))) return false
  const primary = primaryOfMost(cluster)
  cluster.crash(primary)
  const others = all.filter((id) => id !== primary)
  const waiting = others.map((id) => cluster.submit(id, `after the crash, at ${id}`))
  const isBack = (): boolean => waiting.some(({ outcome }) => outcome === 'executed')
  const limitMs = 2 * requestTimeoutMs
  for (let passed = 0; passed < limitMs && !isBack(); passed += 50) await cluster.run(50, 50)
  if (isBack()) return true
  // One that boasts may be told so only now: a second fault.
  if (others.some((id) => !cluster.correct.includes(id) && isOutOfVote(cluster, id))) return false
  const problem = `the crash of primary ${primary} stops all for ${limitMs} ms`
  throw new SimulationError(seed, `${problem}\n${cluster.describe()}`)
}

/**
 * Whether a replica that runs does not vote, and may not do so in the next view either: then it is a
 * fault itself, and the next one may be one too many. Those that boasted are told of it again and again.
 */
export function isOutOfVote<M extends StateMachine>(cluster: Cluster<M>, id: number): boolean {
  const { notVoting } = cluster.status(id)
  if (notVoting === undefined) return false
  return !cluster.correct.includes(id) || /checkpoint|quorum/.test(notVoting)
}

/** The primary of the view in which most take part: somebody may be alone in another one. */
function primaryOfMost<M extends StateMachine>(cluster: Cluster<M>): number {
  const counts = new Map<number, number>()
  for (let id = 0; id < cluster.n; id++) {
    const { primary, activeView } = cluster.status(id)
    if (activeView) counts.set(primary, (counts.get(primary) ?? 0) + 1)
  }
  return [...counts].reduce((best, each) => (each[1] > best[1] ? each : best), [0, 0])[0]
}

/** Returns how long the slowest request took, in milliseconds. */
async function work<M extends StateMachine>(cluster: Cluster<M>): Promise<number> {
  // Whoever lied before may still be held back by the others for what it sent.
  const { clock, correct } = cluster
  let slowest = 0
  let waiting: { readonly submission: Submission; readonly since: number } | undefined
  for (let passed = 0; passed < healthyWorkMs; passed += requestEveryMs) {
    const to = correct[(passed / requestEveryMs) % correct.length] ?? 0
    waiting ??= { submission: cluster.submit(to, `work at ${passed}`), since: clock.now() }
    await cluster.run(requestEveryMs, requestEveryMs)
    slowest = Math.max(slowest, clock.now() - waiting.since)
    if (waiting.submission.outcome !== 'pending') waiting = undefined
  }
  return slowest
}
