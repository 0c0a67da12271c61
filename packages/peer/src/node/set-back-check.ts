import { blockProofOf } from '@heddle/client'
import { readSignedHeader, signedHeaderOf } from './fork.ts'
import type { Replica } from '@heddle/pbft'
import type { common } from '@heddle/proto'
import type { ConditionSink } from './conditions.ts'

/** What {@link setBackCheck} looks at. */
export interface SetBackCheckDeps {
  /** This validator, from 0 on. */
  readonly self: number
  readonly replica: Pick<Replica, 'status'>
  readonly conditions: ConditionSink
}

/**
 * Looks at blocks that were fetched from others, whose signatures are verified. A validator signs what it has
 * executed, and before that its journal knows of it: see `ReplicaStatus.accepted`. So a block further on with
 * its own signature proves that its folder is an older copy, even when too few of the others remember to tell
 * it so.
 */
export function setBackCheck({
  self,
  replica,
  conditions,
}: SetBackCheckDeps): (block: common.Block) => void {
  return (block) => {
    const signed = signedHeaderOf(block)
    if (signed === undefined) return
    const { number, signers } = readSignedHeader(signed)
    const { sequence } = blockProofOf(block)
    const { accepted, lastExecuted } = replica.status()
    if (!signers.includes(self) || sequence <= accepted || sequence <= lastExecuted) return
    const knew = `its journal knew of ${accepted}, its ledger of ${lastExecuted}`
    const reason = `it signed block ${number}, batch ${sequence}, and ${knew}: it is on an older copy of its folder`
    conditions.raise('set-back', { reason, fields: { block: number, sequence } })
  }
}
