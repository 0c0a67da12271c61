import { CodedError } from '@heddle/interface'
import type { ReplicaStatus } from '../types.ts'
import type { Submission } from './cluster-options.ts'

/** A run broke a promise. The message begins with the seed that does it again. */
export class SimulationError extends CodedError<'PBFT_SIMULATION_FAILED'> {
  constructor(seed: number, problem: string) {
    super('PBFT_SIMULATION_FAILED', `seed ${seed}: ${problem}`)
  }
}

/** The highest of everything that must never go back, of one replica. */
export interface Observation {
  readonly view: bigint
  readonly lowWatermark: bigint
  readonly lastExecuted: bigint
}

/** What {@link checkSafety} looks at: correct replicas only. */
export interface SafetyInput {
  readonly submissions: readonly Submission[]
  /** Whether these very bytes were executed where they were submitted. */
  readonly isExecuted: (submission: Submission) => boolean
  readonly statuses: readonly { readonly id: number; readonly status: ReplicaStatus }[]
  /** Kept from check to check, by replica. */
  readonly observations: Observation[]
}

/** The first promise that is broken; undefined when none is. */
export function checkSafety(input: SafetyInput): string | undefined {
  return checkDurability(input) ?? checkOrder(input)
}

/** Whatever was acknowledged is executed where it was submitted: these very bytes. */
function checkDurability({ submissions, isExecuted }: SafetyInput): string | undefined {
  const lost = submissions.find((each) => each.outcome === 'executed' && !isExecuted(each))
  return lost === undefined ? undefined : `replica ${lost.to} acknowledged and lost a request`
}

/** Views and watermarks only grow, over crashes too, and lie in their order. */
function checkOrder({ statuses, observations }: SafetyInput): string | undefined {
  for (const { id, status } of statuses) {
    // The proof of its window may be among what it lost.
    const hasLost = status.notVoting !== undefined
    if (
      !hasLost &&
      status.lastExecuted > status.highWatermark + (status.highWatermark - status.lowWatermark)
    )
      return `replica ${id} executed ${status.lastExecuted} beyond its window`
    const { view, lowWatermark, lastExecuted } = status
    const before = observations[id]
    if (before !== undefined) {
      if (view < before.view) return `replica ${id} went back to view ${view}`
      if (lowWatermark < before.lowWatermark) return `replica ${id} went back to h ${lowWatermark}`
      if (lastExecuted < before.lastExecuted) return `replica ${id} went back to ${lastExecuted}`
    }
    observations[id] = { view, lowWatermark, lastExecuted }
  }
  return undefined
}
