import { VirtualClock } from '@heddle/events/testing'
import { common, decode } from '@heddle/proto'
import { expect } from 'chai'
import { Conditions } from '../../src/node/conditions.ts'
import { setBackCheck } from '../../src/node/set-back-check.ts'
import { signedBlocks } from '../support/signed-chain.ts'
import type { Replica, ReplicaStatus } from '@heddle/pbft'

describe('the check of fetched blocks for the own signature', function () {
  this.timeout(30_000) // a loaded machine takes its time
  /** Validators 0, 1 and 2 signed every one; the batch of a block has its number. */
  let blocks: common.Block[] = []
  before(async () => {
    const encoded = await signedBlocks(3)
    blocks = encoded.map((bytes) => decode(common.BlockSchema, bytes))
  })

  /** What validator `self` says of block `number`, of which it knew this much. */
  function said(
    self: number,
    number: bigint,
    knew: Pick<ReplicaStatus, 'accepted' | 'lastExecuted'>,
  ) {
    const conditions = new Conditions({ clock: new VirtualClock() })
    const replica = { status: () => knew } as Pick<Replica, 'status'>
    setBackCheck({ self, replica, conditions })(blocks[Number(number)]!)
    return conditions.current.map(({ condition, reason }) => [condition, reason])
  }

  it('says that the validator was set back when neither journal nor ledger knew of the block', () => {
    const knew = { accepted: 1n, lastExecuted: 2n }
    const reason =
      'it signed block 3, batch 3, and its journal knew of 1, its ledger of 2: ' +
      'it is on an older copy of its folder'
    expect(said(2, 3n, knew)).to.deep.equal([['set-back', reason]])
    expect(said(3, 3n, knew), 'others signed it').to.deep.equal([])
  })

  it('says nothing of what the journal or the ledger knows: a crash loses blocks that were signed', () => {
    expect(said(2, 3n, { accepted: 3n, lastExecuted: 0n })).to.deep.equal([])
    expect(said(2, 3n, { accepted: 0n, lastExecuted: 3n })).to.deep.equal([])
  })
})
