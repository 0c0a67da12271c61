import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isCodedError } from '@heddle/interface'
import { weakQuorumOf } from '@heddle/pbft'
import { PeerError, messageOf, systemCode } from '../errors.ts'
import type { UnsignedBlock } from '@heddle/orderer'

/** For how long f + 1 others sign other results of a block before the state is rebuilt, in milliseconds. */
export const rebuildAfterMs = 20_000

const cure =
  'compare `version` of all validators. If it is the same, and only this one differs, move the folder `ledger` away (not `journal`) to fetch the blocks anew'

/** The state here is another than that of the others: its block, or its digest, is not what they signed. */
export class StateDiverged extends PeerError<'PEER_STATE_DIVERGED'> {
  /** The first block that is known to come out otherwise. */
  readonly block: bigint

  constructor(block: bigint, message: string, options?: ErrorOptions) {
    super('PEER_STATE_DIVERGED', message, { ...options, cure })
    this.block = block
  }
}

/** `reason` as a {@link StateDiverged} when it says that the state diverged; undefined when it does not. */
export function divergenceIn(reason: unknown, height: bigint): StateDiverged | undefined {
  if (reason instanceof StateDiverged) return reason
  if (!isCodedError(reason, 'PBFT_STATE_DIVERGED')) return undefined
  return new StateDiverged(height, messageOf(reason), { cause: reason })
}

/** What {@link divergenceCheck} looks at. */
export interface DivergenceCheckDeps {
  readonly collector: { readonly oldestOpen: UnsignedBlock | undefined }
  readonly n: number
  /** A state that was rebuilt would be another one again. */
  readonly isForked: () => boolean
  readonly onDiverged: (reason: StateDiverged) => void
}

/** Tells once when f + 1 others keep on signing other results: one of them is correct. */
export function divergenceCheck(deps: DivergenceCheckDeps): () => void {
  let isTold = false
  return () => {
    const { oldestOpen: open } = deps.collector
    if (isTold || open === undefined || open.waitingMs < rebuildAfterMs) return
    if (open.differing.length < weakQuorumOf(deps.n) || deps.isForked()) return
    isTold = true
    const others = open.differing.map((consenter) => consenter - 1).join(', ')
    deps.onDiverged(
      new StateDiverged(
        open.number,
        `validators ${others} signed other results of block ${open.number}`,
      ),
    )
  }
}

const aside = 'state-diverged-'

/**
 * Moves the state of a validator that does not run aside, so that its next start rebuilds it from its
 * blocks. Once for each block: when that block comes out otherwise again, nothing of the kind helps.
 *
 * @param dir - its data folder
 * @throws {StateDiverged} `reason`, when the state was rebuilt for this block before
 */
export async function discardState(dir: string, reason: StateDiverged): Promise<void> {
  const ledger = join(dir, 'ledger')
  const name = `${aside}${reason.block}`
  const before = (await readdir(ledger)).filter((each) => each.startsWith(aside))
  if (before.includes(name))
    throw new StateDiverged(
      reason.block,
      `${reason.message}, also after its state was rebuilt from its blocks`,
      { cause: reason },
    )
  for (const each of before) await rm(join(ledger, each), { recursive: true })
  try {
    await rename(join(ledger, 'state'), join(ledger, name))
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}
