import { expect } from 'chai'
import { maxNumber } from '../../src/core/messages.ts'
import type { Said } from '../../src/core/messages.ts'
import type { JournalRecord, ReplicaEffect } from '../../src/core/protocol.ts'
import {
  batchOf,
  broadcasts,
  certificate,
  checkpoint,
  Driver,
  newView,
  only,
  sendsTo,
  stateDigest,
  viewChange,
} from '../support/cores.ts'
import { answer, nothing, query, Returned, votes } from '../support/returned.ts'

const a = batchOf('a')

describe('a replica that was started', () => {
  it('votes when all others answered that they heard nothing that it does not know', () => {
    const driver = new Returned()
    expect(votes(driver.prePrepare(1n, a))).to.deep.equal([])
    for (const from of [0, 1]) driver.receive(from, answer())
    expect(driver.isVoting, 'one may know more').to.equal(false)
    expect(votes(driver.receive(2, answer()))).to.deep.equal(['prepare'])
    expect(driver.isVoting).to.equal(true)
  })

  it('waits a status interval for those that do not answer, if it makes a quorum with the others', () => {
    const driver = new Returned()
    driver.receive(0, answer())
    driver.fire('status')
    expect(driver.isVoting, 'with one').to.equal(false)
    expect(driver.of('asking').at(-1)).to.deep.equal({
      ...{ type: 'asking', unanswered: [1, 2], needed: 2, intervals: 1 },
    })
    driver.receive(1, answer())
    expect(driver.isVoting, 'with two').to.equal(true)
  })

  it('counts no answer to another life', () => {
    const driver = new Returned()
    for (const from of [0, 1, 2]) driver.receive(from, answer({}, { echo: 5n, reply: 5n }))
    driver.fire('status')
    expect(driver.isVoting).to.equal(false)
  })

  it('counts nothing as an answer that came before it asked', () => {
    const driver = new Driver({ id: 3 })
    for (const from of [0, 1, 2]) driver.receive(from, answer({}, { reply: 0n, echo: 0n }))
    driver.step({ type: 'start', query })
    expect(driver.of('asking').at(-1)).to.deep.include({ unanswered: [0, 1, 2] })
  })

  it('counts nobody as agreeing who heard more from it', () => {
    const driver = new Returned()
    driver.receive(0, answer({ accepted: 9n }))
    driver.receive(1, answer())
    driver.fire('status')
    expect(driver.isVoting, 'one of two').to.equal(false)
    driver.receive(2, answer())
    expect(driver.isVoting, 'two of three').to.equal(true)
  })

  it('believes no number from which nothing could be written down any more', () => {
    for (const [accepted, isVoting] of [
      [maxNumber, false],
      [maxNumber + 1n, true],
    ] as const) {
      const driver = new Returned()
      for (const from of [0, 1]) driver.receive(from, answer({ accepted }))
      driver.receive(2, answer())
      expect(driver.isVoting, `${accepted}`).to.equal(isVoting)
    }
  })

  it('repeats no vote of this life once it learns that it forgot', () => {
    const driver = new Returned()
    for (const from of [0, 1, 2]) driver.receive(from, answer())
    expect(votes(driver.prePrepare(1n, a))).to.deep.equal(['prepare'])
    driver.fire('status')
    for (const from of [0, 1]) driver.receive(from, answer({ accepted: 7n }))
    expect(driver.isVoting).to.equal(false)
    expect(votes([...driver.fire('status'), ...driver.fire('status')])).to.deep.equal([])
  })

  it('says nothing meanwhile, also of what it said before', () => {
    const before = new Driver({ id: 3 })
    before.prePrepare(1n, a)
    before.step({ type: 'suspect', view: 0n })
    const driver = new Returned(before.journal)
    driver.step({ type: 'suspect', view: 1n })
    expect(votes(driver.effects)).to.deep.equal([])
    const effects = [0, 1, 2].flatMap((from) => driver.receive(from, answer({ accepted: 1n })))
    expect(votes(effects)).to.deep.equal(['view-change'])
  })

  for (const [what, more] of Object.entries({
    'a later view': { view: 1n },
    'a later prepare': { accepted: 2n },
    'a later commit': { committed: 1n },
  }))
    it(`does not vote when f + 1 heard ${what} from it, and asks for bounds`, () => {
      const before = new Driver({ id: 3 })
      before.prePrepare(1n, a)
      const driver = new Returned(before.journal)
      driver.receive(0, answer({ accepted: 1n, ...more }))
      driver.receive(1, answer({ accepted: 1n, ...more }))
      expect(driver.of('voting').at(-1)).to.deep.include({ isVoting: false, heardBy: [0, 1] })
      driver.receive(2, answer())
      driver.fire('status')
      expect(driver.isVoting).to.equal(false)
      const [asked] = broadcasts(driver.fire('status'), 'status')
      expect(asked?.query, 'anew: it may have voted meanwhile').to.equal(query + 1n)
      const old = [0, 1, 2].flatMap((from) => driver.receive(from, answer()))
      expect(only(old, 'persist'), 'too early').to.deep.equal([])
      const fresh = { reply: query + 1n, echo: query + 1n, lastExecuted: 3n }
      for (const from of [0, 1, 2]) driver.receive(from, answer(more, fresh))
      expect(driver.of('voting').at(-1)).to.include({ until: 11n, votesFrom: 1n })
    })

  it('does not vote either when they tell it later', () => {
    const driver = new Returned()
    for (const from of [0, 1]) driver.receive(from, answer())
    driver.fire('status')
    expect(driver.isVoting).to.equal(true)
    const late = answer({ accepted: 7n }, { reply: 0n, echo: 0n })
    for (const from of [1, 2]) driver.receive(from, late)
    expect(driver.isVoting).to.equal(false)
    expect(votes(driver.prePrepare(1n, a))).to.deep.equal([])
  })

  it('is not silenced by f liars', () => {
    const driver = new Returned()
    driver.receive(0, answer({ view: 9n, accepted: 9n, committed: 9n }))
    for (const from of [1, 2]) driver.receive(from, answer())
    expect(driver.isVoting).to.equal(true)
  })

  /** Journals, and how far their writer went. */
  const lives: Record<string, [act: (driver: Driver) => unknown, said: Said]> = {
    'a prepare': [(driver) => driver.prePrepare(1n, a), { ...nothing, accepted: 1n }],
    'a commit': [
      (driver) => {
        driver.prePrepare(1n, a)
        for (const from of [1, 2]) driver.prepare(from, 1n, a)
      },
      { view: 0n, accepted: 1n, committed: 1n },
    ],
    'a checkpoint': [
      (driver) => {
        for (const sequence of [1n, 2n]) {
          for (const from of [0, 1, 2]) driver.commit(from, sequence, a)
          driver.receive(0, { type: 'batch', batch: a })
          driver.executed(sequence)
        }
      },
      { view: 0n, accepted: 2n, committed: 0n },
    ],
    'what is stable': [
      (driver) => driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) }),
      { view: 0n, accepted: 4n, committed: 4n },
    ],
    'a view-change': [
      (driver) => driver.step({ type: 'suspect', view: 0n }),
      { ...nothing, view: 1n },
    ],
  }
  for (const [what, [act, said]] of Object.entries(lives))
    it(`remembers ${what} of an earlier life, in its journal as it grew and as it is rewritten`, () => {
      const before = new Driver({ id: 3 })
      act(before)
      // They have all of it, so that nothing of it is said to them again.
      const slots = [1, 2].map(() => ({ prePrepared: true, prepared: true, committed: true }))
      for (const journal of [before.journal, before.core.durableRecords()]) {
        const hearing = (heard: Said): boolean => {
          const driver = new Returned(journal)
          for (const from of [0, 1, 2])
            driver.receive(from, answer(heard, { lowWatermark: 4n, slots }))
          return driver.isVoting
        }
        expect(hearing(said)).to.equal(true)
        for (const key of ['view', 'accepted', 'committed'] as const)
          expect(hearing({ ...said, [key]: said[key] + 1n }), key).to.equal(false)
      }
    })

  it('remembers how far it may have gone before it forgot', () => {
    const journal = [{ type: 'amnesia', until: 11n, votesFrom: 3n, over: true }] as const
    const said = { view: 3n, accepted: 11n, committed: 11n }
    for (const [more, isOver] of [
      [{}, true],
      [{ view: 4n }, false],
      [{ accepted: 12n }, false],
      [{ committed: 12n }, false],
    ] as const) {
      const driver = new Returned(journal)
      for (const from of [0, 1, 2]) driver.receive(from, answer({ ...said, ...more }))
      expect(driver.of('voting').some(({ heardBy }) => heardBy !== undefined)).to.equal(!isOver)
    }
  })

  it('remembers what it says in this life', () => {
    const driver = new Returned()
    for (const from of [0, 1, 2]) driver.receive(from, answer())
    driver.prePrepare(1n, a)
    for (const from of [1, 2]) driver.prepare(from, 1n, a)
    // They have all of it, so that nothing of it is said to them again.
    const slots = [{ prePrepared: true, prepared: true, committed: true }]
    for (const from of [0, 1, 2])
      driver.receive(from, answer({ accepted: 1n, committed: 1n }, { slots }))
    expect(driver.isVoting).to.equal(true)
    for (const from of [0, 1, 2]) driver.receive(from, answer({ accepted: 1n, committed: 2n }))
    expect(driver.isVoting).to.equal(false)
  })

  it('is heard again to the end of its own life, also after it forgot', () => {
    const driver = new Returned([], {}, 0n)
    for (const from of [0, 1]) driver.receive(from, answer({ accepted: 5n }))
    const fresh = { reply: query + 1n, echo: query + 1n, lastExecuted: 3n }
    for (const from of [0, 1, 2]) driver.receive(from, answer({ accepted: 5n }, fresh))
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 2].map((id) => viewChange(id, 1n)),
      ),
    )
    for (const from of [0, 1, 2]) driver.receive(from, answer({ accepted: 11n }, fresh))
    expect(driver.isVoting, 'the bound was beyond it').to.equal(true)
    for (const journal of [driver.journal, driver.core.durableRecords()]) {
      const again = new Returned(journal, {}, 12n)
      for (const from of [0, 1, 2]) again.receive(from, answer({ accepted: 11n, view: 1n }))
      expect(again.isVoting).to.equal(true)
    }
  })

  it('asks in its answer whom it lacks, and asks nobody twice at once', () => {
    const driver = new Returned()
    const asked = answer({}, { query: 5n, reply: 0n, echo: 0n })
    expect(sendsTo(driver.receive(0, asked), 0, 'status')[0]).to.include({ query, echo: 5n })
    driver.receive(0, answer())
    expect(sendsTo(driver.receive(0, asked), 0, 'status')[0]).to.include({ query: 0n, echo: 5n })
  })

  it('alone asks nobody', () => {
    const driver = new Returned([], { id: 0, n: 1 })
    expect(driver.isVoting).to.equal(true)
  })
})

describe('what a replica heard', () => {
  const said = (effects: readonly ReplicaEffect[]): readonly Said[] =>
    broadcasts(effects, 'status')[0]!.heard

  it('is told with each status: the latest view and the highest numbers of each', () => {
    const driver = new Driver({ id: 3 })
    driver.prePrepare(4n, a)
    driver.prepare(1, 3n, a)
    driver.commit(1, 2n, a)
    driver.commit(1, 1n, a)
    driver.prepare(1, 1n, a, 2n)
    driver.receive(2, checkpoint(2, 6n))
    driver.receive(2, viewChange(2, 5n))
    expect(said(driver.step({ type: 'start' }))).to.deep.equal([
      { view: 0n, accepted: 4n, committed: 0n },
      { view: 2n, accepted: 3n, committed: 2n },
      { view: 5n, accepted: 6n, committed: 0n },
      nothing,
    ])
  })

  it('is taken from what others relay and its author signed', () => {
    const driver = new Driver({ id: 3 })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    const changes = [0, 1, 2].map((id) => viewChange(id, 1n))
    driver.receive(2, newView(1n, changes))
    const heard = { view: 1n, accepted: 4n, committed: 0n }
    expect(said(driver.step({ type: 'start' })).slice(0, 3)).to.deep.equal([heard, heard, heard])
  })

  it('is of the primary of a new view, whoever relays that; of itself it tells nothing', () => {
    const driver = new Driver({ id: 3 })
    const changes = [0, 2, 3].map((id) => viewChange(id, 1n))
    driver.receive(2, newView(1n, changes))
    const heard = { ...nothing, view: 1n }
    expect(said(driver.step({ type: 'start' }))).to.deep.equal([heard, heard, heard, nothing])
  })

  it('outlives a crash: the first word of each, and all of it at stable checkpoints', () => {
    const driver = new Driver({ id: 3 })
    driver.prepare(1, 1n, a)
    driver.prepare(1, 3n, a)
    const after = (journal: readonly JournalRecord[]): bigint => {
      const again = new Driver({ id: 3 }, journal)
      const [status] = broadcasts(again.step({ type: 'start' }), 'status')
      return status!.heard[1]!.accepted
    }
    expect(after(driver.journal)).to.equal(1n)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    expect(after(driver.journal)).to.equal(3n)
    expect(after(driver.core.durableRecords())).to.equal(3n)
  })
})

describe('a replica that was set back together with others', () => {
  const proving = { provesTransfers: true }
  const ahead = { lastExecuted: 5n, digests: [stateDigest(5n)] }

  it('fetches the state of the one that is ahead before it votes', () => {
    const driver = new Returned([], proving, 3n)
    for (const from of [0, 1]) driver.receive(from, answer({}, { lastExecuted: 3n }))
    const effects = driver.receive(2, answer({}, ahead))
    const target = { type: 'transfer', sequence: 5n, digest: stateDigest(5n), replicas: [2] }
    expect(only(effects, 'transfer')).to.deep.equal([target])
    driver.receive(0, answer({}, { lastExecuted: 3n }))
    expect(driver.isVoting, 'whoever else answers meanwhile').to.equal(false)
    expect(driver.of('transfer')).to.have.length(1)
    driver.step({ type: 'transferred', sequence: 5n, digest: stateDigest(5n) })
    expect(driver.isVoting).to.equal(true)
  })

  it('fetches it after what it executes itself', () => {
    const driver = new Returned([], proving, 3n)
    driver.prePrepare(4n, a)
    for (const from of [0, 1, 2]) driver.commit(from, 4n, a)
    for (const from of [0, 1]) driver.receive(from, answer({}, { lastExecuted: 3n }))
    driver.receive(2, answer({}, ahead))
    expect([driver.isVoting, driver.of('transfer').length]).to.deep.equal([false, 0])
    driver.executed(4n)
    driver.fire('status')
    expect([driver.isVoting, driver.of('transfer').length]).to.deep.equal([false, 1])
  })

  it('votes while it executes, when nobody is ahead', () => {
    const driver = new Returned([], proving, 3n)
    driver.prePrepare(4n, a)
    for (const from of [0, 1, 2]) driver.commit(from, 4n, a)
    for (const from of [0, 1, 2]) driver.receive(from, answer({}, { lastExecuted: 3n }))
    expect(driver.of('execute')).to.have.length(1)
    expect(driver.isVoting).to.equal(true)
  })

  it('asks for a state of no digest who names none, and passes over it then', () => {
    const driver = new Returned([], proving, 3n)
    for (const from of [0, 1]) driver.receive(from, answer({}, { lastExecuted: 3n }))
    driver.receive(2, answer({}, { lastExecuted: 5n }))
    expect(driver.of('transfer').map(({ digest }) => digest)).to.deep.equal([''])
    driver.step({ type: 'transferFailed' })
    expect(driver.isVoting).to.equal(true)
  })

  it('goes on, once, when that state is not to be had', () => {
    const driver = new Returned([], proving, 3n)
    for (const from of [0, 1]) driver.receive(from, answer({}, { lastExecuted: 3n }))
    driver.receive(2, answer({}, ahead))
    driver.step({ type: 'transferFailed' })
    expect(driver.isVoting).to.equal(true)
    expect(driver.of('transfer')).to.have.length(1)
  })

  it('fetches nothing on the word of one where a state cannot prove itself, or f + 1 are ahead', () => {
    const believing = new Returned([], {}, 3n)
    const behind = new Returned([], proving, 3n)
    for (const from of [0, 1, 2]) {
      believing.receive(from, answer({}, from === 2 ? ahead : { lastExecuted: 3n }))
      behind.receive(from, answer({}, from === 0 ? { lastExecuted: 3n } : ahead))
    }
    for (const driver of [believing, behind]) {
      expect(driver.of('transfer')).to.deep.equal([])
      expect(driver.isVoting).to.equal(true)
    }
  })
})
