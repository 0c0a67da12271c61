import { expect } from 'chai'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CodedError } from '@heddle/interface'
import {
  StateDiverged,
  discardState,
  divergenceCheck,
  divergenceIn,
  rebuildAfterMs,
} from '../../src/node/divergence.ts'
import { exitCodeOf } from '../../src/exit-status.ts'

describe('a state that is not that of the others', () => {
  const open = {
    ...{ number: 7n, waitingMs: rebuildAfterMs, signed: [4], differing: [1, 2] },
  }

  function checking(oldestOpen: typeof open | undefined, isForked = false): StateDiverged[] {
    const told: StateDiverged[] = []
    const check = divergenceCheck({
      collector: { oldestOpen },
      n: 4,
      isForked: () => isForked,
      onDiverged: (reason) => told.push(reason),
    })
    for (let i = 0; i < 3; i++) check()
    return told
  }

  it('is told once, when f + 1 others sign other results for a while, and no fork explains it', () => {
    const told = checking(open)
    expect(told.map(({ block, message }) => [block, message])).to.deep.equal([
      [7n, 'validators 0, 1 signed other results of block 7'],
    ])
    expect(exitCodeOf(told[0])).to.equal(74)
    expect(checking({ ...open, waitingMs: rebuildAfterMs - 1 })).to.deep.equal([])
    expect(checking({ ...open, differing: [1] }), 'f may lie').to.deep.equal([])
    expect(checking(open, true)).to.deep.equal([])
    expect(checking(undefined)).to.deep.equal([])
  })

  it('is what the consensus calls so, too', () => {
    const reason = new CodedError('PBFT_STATE_DIVERGED', 'own state at 8 is another')
    expect(divergenceIn(reason, 9n)).to.include({ block: 9n, code: 'PEER_STATE_DIVERGED' })
    const known = new StateDiverged(7n, 'block 7')
    expect(divergenceIn(known, 9n)).to.equal(known)
    expect(divergenceIn(new TypeError('x'), 9n)).to.equal(undefined)
  })

  describe('on the disk', () => {
    let dir = ''
    before(async () => {
      dir = await mkdtemp(join(tmpdir(), 'heddle-diverged-'))
    })
    after(() => rm(dir, { recursive: true, force: true }))
    const folders = () => readdir(join(dir, 'ledger'))

    it('is set aside once for each block, the last one only', async () => {
      await mkdir(join(dir, 'ledger', 'state'), { recursive: true })
      await discardState(dir, new StateDiverged(7n, 'block 7'))
      expect(await folders()).to.deep.equal(['state-diverged-7'])
      await mkdir(join(dir, 'ledger', 'state'))
      const again: unknown = await discardState(dir, new StateDiverged(7n, 'block 7')).catch(
        (error: unknown) => error,
      )
      expect(again).to.be.instanceOf(StateDiverged)
      expect(again).to.have.property(
        'message',
        'block 7, also after its state was rebuilt from its blocks',
      )
      expect(again)
        .to.have.property('cure')
        .that.matches(/^compare `version`/)
      expect(await folders()).to.deep.equal(['state', 'state-diverged-7'])
      await discardState(dir, new StateDiverged(9n, 'block 9'))
      expect(await folders()).to.deep.equal(['state-diverged-9'])
    })
  })
})
