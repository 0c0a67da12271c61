import { expect } from 'chai'
import { NULL_BATCH, NULL_DIGEST } from '../../src/core/messages.ts'
import { selectReplay } from '../../src/core/selection.ts'
import {
  batchOf,
  broadcasts,
  certificate,
  checkpoint,
  claim,
  Driver,
  Group,
  newView,
  only,
  rejectCodes,
  sendsTo,
  stateDigest,
  viewChange,
  unheard,
} from '../support/cores.ts'

const a = batchOf('a')
const b = batchOf('b')
const forged = batchOf('forged').digest
const rules = { quorum: 3, weakQuorum: 2 }

/** Each was seen in Fabric v0.6.1's consensus/pbft; here is what it must not do again. */
describe('flaws of Fabric v0.6 PBFT that are not in this one', () => {
  describe('safety', () => {
    it('a new primary cannot erase a prepared batch with copies of its own empty view-change', () => {
      const driver = new Driver({ id: 2 })
      driver.prePrepare(1n, a)
      driver.prepare(3, 1n, a)
      const effects = driver.receive(
        1,
        newView(
          1n,
          [1, 1, 1].map((id) => viewChange(id, 1n)),
        ),
      )
      expect(rejectCodes(effects)).to.deep.equal(['PBFT_INVALID_NEW_VIEW'])
    })

    it('a primary puts no view-change for a later view into its new-view', () => {
      const driver = new Driver({ id: 1 })
      driver.step({ type: 'suspect', view: 0n })
      driver.receive(0, viewChange(0, 5n))
      driver.receive(2, viewChange(2, 1n))
      expect(broadcasts(driver.effects, 'new-view')).to.deep.equal([])
      const [sent] = broadcasts(driver.receive(3, viewChange(3, 1n)), 'new-view')
      expect(sent?.viewChanges.map((vc) => vc.view)).to.deep.equal([1n, 1n, 1n])
    })

    it('one view-change that lists a checkpoint twice proves no stable checkpoint', () => {
      const driver = new Driver({ id: 2 })
      const stable = [checkpoint(1, 2n), checkpoint(1, 2n), checkpoint(1, 2n)]
      const effects = driver.receive(1, viewChange(1, 1n, { lowWatermark: 2n, stable }))
      expect(rejectCodes(effects)).to.deep.equal(['PBFT_INVALID_VIEW_CHANGE'])
    })

    it('entries that one view-change repeats in Q vouch for nothing', () => {
      const driver = new Driver({ id: 2 })
      const lie = claim(1n, forged)
      const effects = driver.receive(
        1,
        viewChange(1, 1n, { prepared: [lie], prePrepared: [lie, lie] }),
      )
      expect(rejectCodes(effects)).to.deep.equal(['PBFT_INVALID_VIEW_CHANGE'])
      const counted = selectReplay(
        [
          viewChange(0, 1n),
          viewChange(1, 1n, { prepared: [lie], prePrepared: [lie, lie] }),
          viewChange(2, 1n),
          viewChange(3, 1n),
        ],
        rules,
      )
      expect(counted?.digests).to.deep.equal([])
    })

    it('a batch that prepared at 5 is not given to 7, where others saw it pre-prepared', () => {
      const prepared = [claim(5n, a)]
      const prePrepared = [claim(5n, a), claim(7n, a)]
      const replay = selectReplay(
        [0, 1, 2].map((id) => viewChange(id, 1n, { prepared, prePrepared })),
        rules,
      )
      expect(replay?.digests).to.deep.equal([
        NULL_DIGEST,
        NULL_DIGEST,
        NULL_DIGEST,
        NULL_DIGEST,
        a.digest,
      ])
    })

    it('a crash between two different pre-prepares does not make a replica prepare both', () => {
      const before = new Driver({ id: 1 })
      const first = broadcasts(before.prePrepare(1n, a), 'prepare')
      const after = before.restart(0n)
      const second = broadcasts(after.prePrepare(1n, b), 'prepare')
      expect([...first, ...second].map((p) => p.digest)).to.deep.equal([a.digest])
    })

    it('a crash does not make a replica forget that it voted for view 2', () => {
      const before = new Driver({ id: 3 })
      for (const from of [0, 1]) before.receive(from, viewChange(from, 2n))
      expect(before.restart(0n).core.inspect()).to.include({ view: 2n, active: false })
    })

    it('a commit for another digest does not count', () => {
      const driver = new Driver({ id: 1 })
      driver.prePrepare(1n, a)
      driver.prepare(2, 1n, a)
      driver.commit(2, 1n, b)
      driver.commit(3, 1n, b)
      expect(driver.of('execute')).to.deep.equal([])
    })

    it('a null batch cannot be replaced, nor replace anything, in one slot', () => {
      const driver = new Driver({ id: 2 })
      const prepared = [claim(2n, a)]
      const changes = [0, 1, 3].map((id) => viewChange(id, 1n, { prepared }))
      driver.receive(1, newView(1n, changes))
      driver.receive(0, { type: 'batch', batch: a })
      expect(rejectCodes(driver.prePrepare(1n, b, 1n)), 'null → b').to.deep.equal(['PBFT_CONFLICT'])
      expect(rejectCodes(driver.prePrepare(2n, NULL_BATCH, 1n)), 'a → null').to.deep.equal([
        'PBFT_EMPTY_BATCH',
      ])
    })
  })

  describe('denial of service', () => {
    it('one replica’s many checkpoint digests for one number stop nobody', () => {
      const driver = new Driver({ id: 1 })
      const codes = ['aa', 'bb', 'cc', 'dd'].flatMap((digest) =>
        rejectCodes(driver.receive(2, checkpoint(2, 2n, digest))),
      )
      expect(codes).to.deep.equal(['PBFT_CONFLICT', 'PBFT_CONFLICT', 'PBFT_CONFLICT'])
      expect(driver.of('fail')).to.deep.equal([])
      for (const from of [0, 3]) driver.receive(from, checkpoint(from, 2n))
      expect(driver.core.inspect().lowWatermark).to.equal(0n)
    })

    it('view-changes for a thousand future views take the room of one', () => {
      const driver = new Driver({ id: 1 })
      for (let view = 1n; view <= 1000n; view++) driver.receive(2, viewChange(2, view * 1000n))
      driver.step({ type: 'suspect', view: 0n })
      driver.receive(3, viewChange(3, 1n))
      expect(driver.core.inspect(), 'one liar moves nobody').to.include({ view: 1n })
    })

    it('votes for a thousand numbers above the window are refused and leave nothing behind', () => {
      const driver = new Driver({ id: 1 })
      for (let n = 9n; n < 1009n; n++) driver.commit(2, n, a)
      expect(driver.of('reject')).to.have.length(1000)
      expect(driver.core.inspect().highestKnown).to.equal(0n)
    })

    it('checkpoints of one replica for a thousand numbers keep the room of a window', () => {
      const driver = new Driver({ id: 1 })
      for (let n = 2n; n <= 2000n; n += 2n) driver.receive(2, checkpoint(2, n))
      for (const from of [0, 3]) driver.receive(from, checkpoint(from, 2000n))
      expect(driver.core.inspect().lowWatermark, 'the highest are kept').to.equal(2000n)
    })

    it('a replica is answered a bounded number of times in an interval', () => {
      const group = new Group(4)
      group.propose('a')
      const driver = group.at(0)
      const ask = () => driver.receive(3, { type: 'fetch-batch', sequence: 1n, digest: a.digest })
      let answers = 0
      for (let i = 0; i < 1000; i++) answers += sendsTo(ask(), 3, 'batch').length
      expect(answers).to.equal(driver.options.maxFetchAnswers)
      driver.fire('status')
      expect(sendsTo(ask(), 3, 'batch'), 'next interval').to.have.length(1)
    })

    it('one replica’s invalid view-changes and new-views start no view change', () => {
      const driver = new Driver({ id: 2 })
      driver.receive(1, viewChange(1, 1n, { lowWatermark: 3n }))
      driver.receive(1, newView(1n, [viewChange(1, 1n)]))
      driver.receive(3, newView(3n, []))
      expect(driver.core.inspect()).to.include({ view: 0n, active: true })
      expect(driver.of('viewChanged')).to.deep.equal([])
    })

    it('a status message that boasts of a far-off state moves nobody', () => {
      const driver = new Driver({ id: 1 })
      const far = 1n << 60n
      driver.receive(2, {
        type: 'status',
        view: far,
        active: true,
        lastExecuted: far,
        lowWatermark: far,
        viewChanges: [],
        slots: [],
        digests: [stateDigest(far)],
        ...{ query: 0n, reply: 0n },
        ...unheard,
      })
      expect(driver.of('transfer')).to.deep.equal([])
      expect(driver.core.inspect()).to.include({ view: 0n, lowWatermark: 0n })
    })
  })

  describe('liveness', () => {
    it('a replica restarted in an old view learns the new one without any traffic', () => {
      const group = new Group(4)
      group.drop = ({ to, from }) => to === 3 || from === 3
      group.suspect(0, 2)
      group.drop = () => false
      group.restart(3)
      expect(group.at(3).core.inspect()).to.include({ view: 1n, active: true })
    })

    it('view-changes beyond the quorum neither restart nor double the timer', () => {
      const driver = new Driver({ id: 6, n: 7 })
      driver.step({ type: 'suspect', view: 0n })
      for (const from of [0, 2, 3, 4, 5]) driver.receive(from, viewChange(from, 1n))
      const timers = driver.of('startTimer').filter((t) => t.name === 'newView')
      expect(timers.map((t) => t.afterMs)).to.deep.equal([100])
    })

    it('executions that end during a view change move no view', () => {
      const driver = new Driver({ id: 3 })
      driver.prePrepare(1n, a)
      for (const from of [0, 1, 2]) driver.commit(from, 1n, a)
      driver.step({ type: 'suspect', view: 0n })
      driver.executed(1n)
      driver.fire('status')
      expect(driver.core.inspect().view).to.equal(1n)
      expect(driver.of('startTimer').filter((t) => t.name === 'newView')).to.deep.equal([])
    })

    it('a committed batch that was not executed yet survives the view change and is executed', () => {
      const driver = new Driver({ id: 3, maxExecutionsInFlight: 1 })
      for (const [sequence, batch] of [
        [1n, a],
        [2n, b],
      ] as const) {
        driver.prePrepare(sequence, batch)
        for (const from of [0, 1, 2]) driver.commit(from, sequence, batch)
      }
      driver.step({ type: 'suspect', view: 0n })
      driver.executed(1n)
      expect(driver.of('execute').map((e) => e.sequence)).to.deep.equal([1n, 2n])
    })

    it('a quorum of commits without the pre-prepare executes once the pre-prepare comes', () => {
      const driver = new Driver({ id: 3 })
      for (const from of [0, 1, 2]) driver.commit(from, 1n, a)
      driver.prePrepare(1n, a)
      expect(driver.of('execute')).to.have.length(1)
      driver.fire('fetch')
      expect(
        only(driver.effects, 'send').filter((e) => e.message.type === 'fetch-batch'),
      ).to.have.length(1)
    })

    it('commits of a stable number do no harm after the watermarks moved', () => {
      const driver = new Driver({ id: 3 })
      driver.commit(0, 1n, a)
      driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
      driver.commit(1, 1n, a)
      driver.commit(2, 1n, a)
      driver.commit(1, 2n, a)
      expect(driver.of('fail')).to.deep.equal([])
    })
  })
})
