import { expect } from 'chai'
import type { Claim } from '../../src/core/messages.ts'
import {
  batchOf,
  broadcasts,
  certificate,
  checkpoint,
  claim,
  Driver,
  newView,
  rejectCodes,
  sendsTo,
  stateDigest,
  viewChange,
} from '../support/cores.ts'

const a = batchOf('a')

describe('evidence: certificates', () => {
  it('whose checkpoints are for different states prove nothing', () => {
    const mixed = [checkpoint(0, 2n), checkpoint(1, 2n), checkpoint(2, 2n, stateDigest(9n))]
    const driver = new Driver({ id: 3 })
    const effects = driver.receive(0, { type: 'certificate', checkpoints: mixed })
    expect(rejectCodes(effects)).to.deep.equal(['PBFT_INVALID_CHECKPOINT'])
    expect(driver.core.inspect().lowWatermark).to.equal(0n)
  })

  it('whose checkpoints are for different numbers prove nothing', () => {
    const mixed = [checkpoint(0, 2n), checkpoint(1, 2n), checkpoint(2, 4n, stateDigest(2n))]
    const driver = new Driver({ id: 3 })
    const effects = driver.receive(0, { type: 'certificate', checkpoints: mixed })
    expect(rejectCodes(effects)).to.deep.equal(['PBFT_INVALID_CHECKPOINT'])
  })

  it('in view-changes are judged likewise', () => {
    const stable = [checkpoint(0, 2n), checkpoint(1, 2n), checkpoint(2, 2n, stateDigest(9n))]
    const driver = new Driver({ id: 3 })
    const effects = driver.receive(2, viewChange(2, 1n, { lowWatermark: 2n, stable }))
    expect(rejectCodes(effects)).to.deep.equal(['PBFT_INVALID_VIEW_CHANGE'])
  })
})

describe('evidence: the view of view-changes', () => {
  it('is not so late that a later one could not be told any more', () => {
    const last = 1n << 62n
    const driver = new Driver({ id: 3 })
    const refused = driver.receive(2, viewChange(2, last + 1n))
    expect(rejectCodes(refused)).to.deep.equal(['PBFT_INVALID_VIEW_CHANGE'])
    expect(rejectCodes(driver.receive(2, viewChange(2, last)))).to.deep.equal([])
  })
})

describe('evidence: claims of view-changes', () => {
  // h is 2 and L is 8.
  const outcome = (content: { prepared?: Claim[]; prePrepared?: Claim[] }): string[] => {
    const driver = new Driver({ id: 3 })
    const change = { lowWatermark: 2n, stable: certificate(2n), prePrepared: [], ...content }
    return rejectCodes(driver.receive(2, viewChange(2, 5n, change)))
  }
  const refused = ['PBFT_INVALID_VIEW_CHANGE']

  for (const kind of ['prepared', 'prePrepared'] as const) {
    it(`count from h + 1 to h + L, in earlier views: ${kind}`, () => {
      expect(outcome({ [kind]: [claim(3n, a), claim(10n, a, 4n)] })).to.deep.equal([])
    })

    for (const [what, bad] of [
      ['at h', claim(2n, a)],
      ['above the window', claim(11n, a)],
      ['so far off that nobody could count up to it', claim(1n << 60n, a)],
      ['of the view itself', claim(3n, a, 5n)],
    ] as const)
      it(`are refused ${what}: ${kind}`, () => {
        expect(outcome({ [kind]: [bad] })).to.deep.equal(refused)
      })
  }

  it('are refused in a new-view too, before anything is computed from them', () => {
    const driver = new Driver({ id: 3 })
    const far = { prepared: [claim(1n << 60n, a)] }
    const effects = driver.receive(
      1,
      newView(1n, [viewChange(0, 1n, far), viewChange(1, 1n), viewChange(2, 1n)]),
    )
    expect(rejectCodes(effects)).to.deep.equal(['PBFT_INVALID_NEW_VIEW'])
  })
})

describe('evidence: what is kept', () => {
  it('is the latest view-change of each replica: an older one does not replace it', () => {
    const driver = new Driver({ id: 3 })
    driver.receive(2, viewChange(2, 5n))
    driver.receive(2, viewChange(2, 3n))
    driver.receive(1, viewChange(1, 5n))
    expect(driver.core.inspect()).to.include({ view: 5n, active: false })
  })

  it('is the first of two view-changes for one view', () => {
    const driver = new Driver({ id: 1 })
    driver.step({ type: 'suspect', view: 0n })
    const prepared = [claim(1n, a)]
    driver.receive(2, viewChange(2, 1n, { prepared }))
    driver.receive(2, viewChange(2, 1n))
    driver.prePrepare(1n, a)
    driver.receive(3, viewChange(3, 1n, { prePrepared: prepared }))
    const asked = [0, 2, 3].flatMap((to) => sendsTo(driver.effects, to, 'fetch-batch'))
    expect(asked.length, 'the batch that the first one names').to.be.greaterThan(0)
  })

  it('in a rewritten journal are this replica’s own checkpoints that are not yet stable', () => {
    const driver = new Driver({ id: 1 }, [], 2n)
    driver.step({ type: 'start' })
    expect(broadcasts(driver.effects, 'checkpoint')).to.have.length(1)
    const records = driver.core.durableRecords()
    expect(records).to.deep.include({ type: 'checkpoint', checkpoint: checkpoint(1, 2n) })
    const again = new Driver({ id: 1 }, records, 2n)
    again.step({ type: 'start' })
    expect(broadcasts(again.effects, 'checkpoint'), 'nothing is signed anew').to.deep.equal([])
    for (const from of [0, 2]) again.receive(from, checkpoint(from, 2n))
    expect(again.core.inspect().lowWatermark, 'and it counts').to.equal(2n)
  })
})
