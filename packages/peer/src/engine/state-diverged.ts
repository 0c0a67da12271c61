import { PeerError } from '../errors.ts'

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
