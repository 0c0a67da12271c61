import { isCodedError } from '@heddle/interface'
import { weakQuorumOf } from '@heddle/pbft'
import { StateDiverged } from '../engine/state-diverged.ts'
import { messageOf } from '../errors.ts'
import { tellIntervalMs } from './fork-watch.ts'
import type { Clock, Logger } from '@heddle/interface'
import type { UnsignedBlock } from '@heddle/orderer'

/** For how long f + 1 others sign other results of a block before the state is rebuilt, in milliseconds. */
export const rebuildAfterMs = 20_000

/** After that many milliseconds each of the others has told its last block, so that a fork is known. */
export const forkKnownAfterMs = 2 * tellIntervalMs

/** `reason` as a {@link StateDiverged} when it says that the state diverged; undefined when it does not. */
export function divergenceIn(reason: unknown, height: bigint): StateDiverged | undefined {
  if (reason instanceof StateDiverged) return reason
  if (!isCodedError(reason, 'PBFT_STATE_DIVERGED')) return undefined
  return new StateDiverged(height, messageOf(reason), { cause: reason })
}

/** What a {@link DivergenceWatch} works with. */
export interface DivergenceWatchDeps {
  readonly collector: { readonly oldestOpen: UnsignedBlock | undefined }
  readonly n: number
  readonly clock: Clock
  /** Whether another validator is known to be on another chain. */
  readonly isForked: () => boolean
  /** Blocks for which the state was rebuilt before. */
  readonly rebuiltFor: ReadonlySet<bigint>
  /** This validator cannot go on with its state. */
  readonly onDiverged: (reason: StateDiverged) => void
  readonly logger?: Logger
}

/**
 * Tells once that the state here is not that of the others, so that it is rebuilt. With a fork it does
 * not: a state that was rebuilt would be that of this chain again, and whoever stays up can say so.
 */
export class DivergenceWatch {
  readonly #deps: DivergenceWatchDeps
  #proof: { readonly reason: StateDiverged; readonly since: number } | undefined
  #isTold = false

  constructor(deps: DivergenceWatchDeps) {
    this.#deps = deps
  }

  /** What a quorum signed comes out otherwise here: its block, or a checkpoint of the consensus. */
  found(reason: StateDiverged): void {
    if (this.#proof !== undefined) return
    this.#proof = { reason, since: this.#deps.clock.now() }
    this.#deps.logger?.error('state diverged', { block: reason.block }, reason)
  }

  /** Looks whether it is time to tell. */
  look(): void {
    if (this.#isTold || this.#deps.isForked()) return
    const reason = this.#proven() ?? this.#outvoted()
    if (reason === undefined) return
    this.#isTold = true
    this.#deps.onDiverged(reason)
  }

  #proven(): StateDiverged | undefined {
    const { reason, since = 0 } = this.#proof ?? {}
    return this.#deps.clock.now() - since < forkKnownAfterMs ? undefined : reason
  }

  /** Of f + 1 others one is correct. */
  #outvoted(): StateDiverged | undefined {
    const { collector, n, rebuiltFor } = this.#deps
    const { oldestOpen: open } = collector
    if (open === undefined || open.waitingMs < rebuildAfterMs) return undefined
    const { number, differing, outvotedBy } = open
    // Where nobody has a quorum, nobody is known to be right, and to end would help nobody.
    const against = rebuiltFor.has(number) ? outvotedBy : differing
    if (against.length < weakQuorumOf(n)) return undefined
    const others = against.map((consenter) => consenter - 1).join(', ')
    return new StateDiverged(number, `validators ${others} signed other results of block ${number}`)
  }
}
