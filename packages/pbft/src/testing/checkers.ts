import { CodedError } from '@heddle/interface'
import { toHex } from '../codec.ts'
import type { ReplicaStatus } from '../types.ts'
import type { ExecutedBatch, MemoryStateMachine } from './memory-state-machine.ts'

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
  readonly machines: readonly {
    readonly id: number
    readonly history: readonly ExecutedBatch[]
    readonly requestOf: (id: string) => Uint8Array | undefined
  }[]
  readonly submissions: readonly {
    readonly request: Uint8Array
    readonly to: number
    readonly outcome: string
  }[]
  readonly statuses: readonly {
    readonly id: number
    readonly status: ReplicaStatus
    readonly machine: MemoryStateMachine
  }[]
  /** Kept from check to check, by replica. */
  readonly observations: Observation[]
  /** The id of a request. */
  readonly idOf: (request: Uint8Array) => string
  /** Liars may bring in requests of their own. */
  readonly hasLiars: boolean
}

/** The first promise that is broken; undefined when none is. */
export function checkSafety(input: SafetyInput): string | undefined {
  return (
    checkAgreement(input) ??
    checkExactlyOnce(input) ??
    checkValidity(input) ??
    checkDurability(input) ??
    checkOrder(input)
  )
}

/** No two replicas have different states at one sequence number, and none leaves a number out. */
function checkAgreement({ machines }: SafetyInput): string | undefined {
  const digests = new Map<bigint, { id: number; digest: string }>()
  for (const { id, history } of machines) {
    let expected = 1n
    for (const { sequence, digest } of history) {
      if (sequence !== expected) return `replica ${id} executed ${sequence} after ${expected - 1n}`
      expected++
      const other = digests.get(sequence)
      const own = toHex(digest)
      if (other === undefined) digests.set(sequence, { id, digest: own })
      else if (other.digest !== own)
        return `agreement: replicas ${other.id} and ${id} differ at ${sequence}`
    }
  }
  return undefined
}

function checkExactlyOnce({ machines }: SafetyInput): string | undefined {
  for (const { id, history } of machines) {
    const ids = history.flatMap((batch) => batch.ids)
    if (new Set(ids).size !== ids.length) return `replica ${id} executed a request twice`
  }
  return undefined
}

/** Whatever was executed had been submitted. */
function checkValidity({ machines, submissions, idOf, hasLiars }: SafetyInput): string | undefined {
  if (hasLiars) return undefined
  const known = new Set(submissions.map(({ request }) => idOf(request)))
  for (const { id, history } of machines)
    for (const batch of history)
      if (!batch.ids.every((executed) => known.has(executed)))
        return `replica ${id} executed at ${batch.sequence} what nobody submitted`
  return undefined
}

/** Whatever was acknowledged is executed where it was submitted: these very bytes. */
function checkDurability({ machines, submissions, idOf }: SafetyInput): string | undefined {
  const requestOf = new Map(machines.map((machine) => [machine.id, machine.requestOf]))
  const lost = submissions.find(({ outcome, to, request }) => {
    const executed = requestOf.get(to)?.(idOf(request))
    return outcome === 'executed' && (!executed || Buffer.compare(executed, request) !== 0)
  })
  return lost === undefined ? undefined : `replica ${lost.to} acknowledged and lost a request`
}

/** Views and watermarks only grow, over crashes too, and lie in their order. */
function checkOrder({ statuses, observations }: SafetyInput): string | undefined {
  for (const { id, status } of statuses) {
    if (status.lastExecuted > status.highWatermark + (status.highWatermark - status.lowWatermark))
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
