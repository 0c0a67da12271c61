import { expect } from 'chai'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { VirtualClock } from '@heddle/events/testing'
import { CodedError } from '@heddle/interface'
import { StateDiverged } from '../../src/engine/state-diverged.ts'
import {
  DivergenceWatch,
  divergenceIn,
  forkKnownAfterMs,
  rebuildAfterMs,
} from '../../src/node/divergence.ts'
import { exitCodeOf } from '../../src/exit-status.ts'
import { discardState, rebuiltFor } from '../../src/node/rebuilt-state.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { UnsignedBlock } from '@heddle/orderer'

const unsigned: UnsignedBlock = {
  ...{ number: 7n, waitingMs: rebuildAfterMs, signed: [4], differing: [1, 2], outvotedBy: [] },
}

describe('a state that is not that of the others', () => {
  function watching(oldestOpen?: UnsignedBlock, rebuilt: readonly bigint[] = []) {
    const told: StateDiverged[] = []
    const clock = new VirtualClock()
    const logger = new RecordingLogger()
    const fork = { isSeen: false }
    const watch = new DivergenceWatch({
      ...{ collector: { oldestOpen }, n: 4, clock, logger, rebuiltFor: new Set(rebuilt) },
      isForked: () => fork.isSeen,
      onDiverged: (reason) => told.push(reason),
    })
    const look = (): [bigint, string][] => {
      for (let i = 0; i < 3; i++) watch.look()
      return told.map(({ block, message }) => [block, message])
    }
    return { watch, told, clock, logger, fork, look }
  }

  it('is told once, when f + 1 others sign other results for a while', () => {
    const { look, told } = watching(unsigned)
    expect(look()).to.deep.equal([[7n, 'validators 0, 1 signed other results of block 7']])
    expect(exitCodeOf(told[0])).to.equal(74)
    expect(watching({ ...unsigned, waitingMs: rebuildAfterMs - 1 }).look()).to.deep.equal([])
    expect(watching({ ...unsigned, differing: [1] }).look(), 'f may lie').to.deep.equal([])
    expect(watching().look()).to.deep.equal([])
  })

  it('is told again after it was rebuilt only if f + 1 others have a quorum for theirs', () => {
    expect(watching(unsigned, [7n]).look(), 'two against two').to.deep.equal([])
    expect(watching({ ...unsigned, outvotedBy: [1] }, [7n]).look(), 'f may lie').to.deep.equal([])
    expect(watching({ ...unsigned, outvotedBy: [1, 2] }, [7n]).look()).to.have.length(1)
    expect(watching(unsigned, [6n]).look(), 'for another block').to.have.length(1)
  })

  it('is not told while a fork explains it, and once that is over', () => {
    const { look, fork } = watching(unsigned)
    fork.isSeen = true
    expect(look()).to.deep.equal([])
    fork.isSeen = false
    expect(look()).to.have.length(1)
  })

  it('is told when blocks or checkpoints show it, as soon as a fork would be known', async () => {
    const { watch, look, clock, logger } = watching()
    watch.found(new StateDiverged(7n, 'block 7'))
    watch.found(new StateDiverged(7n, 'block 7, at the next attempt'))
    expect(logger.lines.map(({ level, event }) => [level, event])).to.deep.equal([
      ['error', 'state diverged'],
    ])
    await clock.advance(forkKnownAfterMs - 1)
    expect(look()).to.deep.equal([])
    await clock.advance(1)
    expect(look()).to.deep.equal([[7n, 'block 7']])
  })

  it('is not told when a fork becomes known by then', async () => {
    const { watch, look, clock, fork } = watching()
    watch.found(new StateDiverged(7n, 'block 7'))
    fork.isSeen = true
    await clock.advance(2 * forkKnownAfterMs)
    expect(look()).to.deep.equal([])
  })

  it('is what the consensus calls so, too', () => {
    const reason = new CodedError('PBFT_STATE_DIVERGED', 'own state at 8 is another')
    expect(divergenceIn(reason, 9n)).to.include({ block: 9n, code: 'PEER_STATE_DIVERGED' })
    const known = new StateDiverged(7n, 'block 7')
    expect(divergenceIn(known, 9n)).to.equal(known)
    expect(divergenceIn(new TypeError('x'), 9n)).to.equal(undefined)
  })

  describe('on the disk', () => {
    let ledger = ''
    before(async () => {
      ledger = await mkdtemp(join(tmpdir(), 'heddle-diverged-'))
    })
    after(() => rm(ledger, { recursive: true, force: true }))

    it('is set aside once for each block, the last one only', async () => {
      expect([...(await rebuiltFor(ledger))]).to.deep.equal([])
      await mkdir(join(ledger, 'state'))
      await discardState(ledger, new StateDiverged(7n, 'block 7'))
      expect(await readdir(ledger)).to.deep.equal(['state-diverged-7'])
      expect([...(await rebuiltFor(ledger))]).to.deep.equal([7n])
      await mkdir(join(ledger, 'state'))
      const again: unknown = await discardState(ledger, new StateDiverged(7n, 'block 7')).catch(
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
      expect(await readdir(ledger)).to.deep.equal(['state', 'state-diverged-7'])
      await discardState(ledger, new StateDiverged(9n, 'block 9'))
      expect(await readdir(ledger)).to.deep.equal(['state-diverged-9'])
    })
  })
})
