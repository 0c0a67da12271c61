import { expect } from 'chai'
import { NULL_DIGEST } from '../../src/core/messages.ts'
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
  viewChange,
} from '../support/cores.ts'

const a = batchOf('a')
const b = batchOf('b')

/** Prepares `a` at 1 in view 0 at backup 1. */
function preparedDriver(): Driver {
  const driver = new Driver({ id: 1 })
  driver.prePrepare(1n, a)
  driver.prepare(2, 1n, a)
  return driver
}

describe('PBFT (OSDI ’99 §4.4, TOCS ’02 §4.5): view changes', () => {
  it('§4.4 a suspecting backup multicasts a view-change for the next view', () => {
    const driver = new Driver({ id: 1 })
    const [sent] = broadcasts(driver.step({ type: 'suspect', view: 0n }), 'view-change')
    expect(sent).to.include({ view: 1n, replica: 1, lowWatermark: 0n })
  })

  it('§4.4 after its view-change a replica takes no pre-prepare, and prepares nothing', () => {
    const driver = new Driver({ id: 2 })
    driver.prePrepare(1n, a)
    driver.step({ type: 'suspect', view: 0n })
    const effects = [
      ...driver.prePrepare(2n, b),
      ...driver.prepare(3, 1n, a),
      ...driver.prepare(1, 1n, a),
    ]
    expect(broadcasts(effects, 'prepare')).to.deep.equal([])
    expect(broadcasts(effects, 'commit')).to.deep.equal([])
  })

  it('§4.4 a replica takes no pre-prepare of the view that it waits for before its new-view', () => {
    const driver = new Driver({ id: 2 })
    driver.step({ type: 'suspect', view: 0n })
    const effects = driver.prePrepare(1n, a, 1n)
    expect(broadcasts(effects, 'prepare')).to.deep.equal([])
    expect(only(effects, 'persist')).to.deep.equal([])
  })

  it('§4.4 a view-change carries the last stable checkpoint and its proof', () => {
    const driver = new Driver({ id: 1 }, [], 2n)
    driver.step({ type: 'start' })
    for (const from of [2, 3]) driver.receive(from, checkpoint(from, 2n))
    const [sent] = broadcasts(driver.step({ type: 'suspect', view: 0n }), 'view-change')
    expect(sent?.lowWatermark).to.equal(2n)
    expect(sent?.stable.map((c) => c.replica)).to.deep.equal([1, 2, 3])
  })

  it('§4.5.1 P carries what prepared, Q what pre-prepared', () => {
    const driver = preparedDriver()
    driver.prePrepare(2n, b)
    const [sent] = broadcasts(driver.step({ type: 'suspect', view: 0n }), 'view-change')
    expect(sent?.prepared).to.deep.equal([claim(1n, a)])
    expect(sent?.prePrepared).to.deep.equal([claim(1n, a), claim(2n, b)])
  })

  it('§4.5.1 P keeps what prepared in an earlier view until something prepares in a later one', () => {
    const driver = preparedDriver()
    driver.step({ type: 'suspect', view: 0n })
    driver.step({ type: 'suspect', view: 0n })
    driver.receive(
      2,
      newView(
        2n,
        [0, 2, 3].map((id) => viewChange(id, 2n)),
      ),
    )
    const [sent] = broadcasts(driver.step({ type: 'suspect', view: 2n }), 'view-change')
    expect(sent?.prepared).to.deep.equal([claim(1n, a)])
  })

  it('§4.4 the new primary multicasts a new-view at 2f + 1 view-changes, its own included', () => {
    const driver = new Driver({ id: 1 })
    driver.step({ type: 'suspect', view: 0n })
    expect(broadcasts(driver.receive(2, viewChange(2, 1n)), 'new-view')).to.deep.equal([])
    const [sent] = broadcasts(driver.receive(3, viewChange(3, 1n)), 'new-view')
    expect(sent?.viewChanges.map((vc) => vc.replica)).to.deep.equal([1, 2, 3])
    expect(driver.core.inspect()).to.include({ view: 1n, active: true, primary: 1 })
  })

  it('§4.4 what prepared is proposed anew under its number, gaps with null requests', () => {
    const driver = new Driver({ id: 2 })
    const prepared = [claim(3n, a)]
    const changes = [
      viewChange(0, 1n, { prepared }),
      viewChange(1, 1n, { prepared }),
      viewChange(3, 1n),
    ]
    driver.receive(1, newView(1n, changes))
    expect(
      sendsTo(driver.effects, 0, 'fetch-batch').concat(sendsTo(driver.effects, 1, 'fetch-batch')),
    ).to.have.length(1)
    const sent = broadcasts(driver.receive(1, { type: 'batch', batch: a }), 'prepare')
    expect(sent.map((p) => [p.view, p.sequence, p.digest])).to.deep.equal([
      [1n, 1n, NULL_DIGEST],
      [1n, 2n, NULL_DIGEST],
      [1n, 3n, a.digest],
    ])
  })

  it('§4.4 the new view starts above the highest stable checkpoint that a view-change proves', () => {
    const driver = new Driver({ id: 2 })
    const changes = [
      viewChange(0, 1n, { lowWatermark: 4n }),
      viewChange(1, 1n),
      viewChange(3, 1n, { lowWatermark: 2n }),
    ]
    driver.receive(1, newView(1n, changes))
    expect(driver.core.inspect()).to.include({ view: 1n, active: true, lowWatermark: 4n })
    expect(driver.of('transfer').map((t) => t.sequence)).to.deep.equal([4n])
  })

  it('§4.4 the new primary goes on with the number after those carried over', () => {
    const group = new Group(4)
    group.propose('a')
    group.suspect(2, 3)
    group.propose('b')
    const sent = broadcasts(group.at(1).effects, 'pre-prepare')
    expect(sent.map((m) => [m.view, m.sequence])).to.deep.equal([[1n, 2n]])
  })

  it('§4.4 what was executed before the view change is not executed again', () => {
    const group = new Group(4)
    group.propose('a')
    group.suspect(2, 3)
    group.propose('b')
    for (const id of [0, 1, 2, 3])
      expect(group.digests(id), `replica ${id}`).to.deep.equal([a.digest, b.digest])
  })

  it('§4.4 what prepared at one correct replica only survives the view change', () => {
    const group = new Group(4)
    // Commits are lost everywhere: prepared, and nobody knows that it will stay.
    group.drop = ({ message }) => message.type === 'commit'
    group.propose('a')
    group.drop = () => false
    group.suspect(2, 3)
    for (const id of [0, 1, 2, 3]) expect(group.digests(id)).to.deep.equal([a.digest])
  })

  it('§4.5.2 a replica follows f + 1 others that left for later views, to the smallest of these', () => {
    const driver = new Driver({ id: 1 })
    driver.receive(2, viewChange(2, 7n))
    expect(driver.core.inspect().view, 'one may lie').to.equal(0n)
    driver.receive(3, viewChange(3, 5n))
    expect(driver.core.inspect()).to.include({ view: 5n, active: false })
  })

  it('§4.5.2 a replica that waits with 2f + 1 others for a new view gives up after a time-out, and doubles it', () => {
    const driver = new Driver({ id: 3 })
    driver.step({ type: 'suspect', view: 0n })
    const timers = () => driver.of('startTimer').filter((t) => t.name === 'newView')
    driver.receive(0, viewChange(0, 1n))
    expect(timers(), 'no quorum yet').to.deep.equal([])
    driver.receive(2, viewChange(2, 1n))
    expect(timers().map((t) => t.afterMs)).to.deep.equal([100])
    driver.fire('newView')
    expect(driver.core.inspect().view).to.equal(2n)
    for (const from of [0, 1]) driver.receive(from, viewChange(from, 2n))
    expect(timers().map((t) => t.afterMs)).to.deep.equal([100, 200])
  })

  it('the time-out grows no further than its cap', () => {
    const driver = new Driver({ id: 3 })
    driver.step({ type: 'suspect', view: 0n })
    for (let view = 1n; view < 12n; view++) {
      for (const from of [0, 1, 2]) driver.receive(from, viewChange(from, view))
      driver.fire('newView')
    }
    const delays = driver
      .of('startTimer')
      .filter((t) => t.name === 'newView')
      .map((t) => t.afterMs)
    expect(Math.max(...delays)).to.equal(1_000)
  })

  it('what executes leaves the time-out as it is; that it went well for a while shrinks it, as far as it did', () => {
    const driver = new Driver({ id: 3 })
    const suspect = (): void => {
      driver.step({ type: 'suspect', view: driver.core.inspect().view })
      const { view } = driver.core.inspect()
      driver.receive(
        Number(view % 4n),
        newView(
          view,
          [0, 1, 2].map((id) => viewChange(id, view)),
        ),
      )
    }
    const factor = (): number => driver.core.timeoutFactor
    for (let i = 0; i < 5; i++) suspect()
    expect(driver.core.inspect()).to.include({ view: 5n, active: true })
    driver.prePrepare(1n, a, 5n)
    for (const from of [0, 1, 2]) driver.commit(from, 1n, a, 5n)
    driver.executed(1n)
    expect(factor()).to.equal(16)
    driver.step({ type: 'calm', view: 5n, factor: 4 })
    expect(factor()).to.equal(4)
    driver.step({ type: 'calm', view: 5n, factor: 8 })
    expect(factor(), 'never longer').to.equal(4)
    driver.step({ type: 'calm', view: 4n, factor: 1 })
    expect(factor(), 'of another view').to.equal(4)
    suspect()
    expect(factor()).to.equal(8)
    driver.step({ type: 'calm', view: 6n, factor: 1 })
    expect(factor()).to.equal(1)
    suspect()
    expect(factor(), 'after the first view change').to.equal(1)
  })

  it('a dead new primary is skipped: two next primaries in a row', () => {
    const group = new Group(7)
    group.drop = ({ from, to }) => from === 1 || from === 2 || to === 1 || to === 2
    group.suspect(0, 3, 4, 5, 6)
    for (const id of [0, 3, 4, 5, 6]) group.fire(id, 'newView')
    for (const id of [0, 3, 4, 5, 6]) group.fire(id, 'newView')
    expect(group.at(6).core.inspect()).to.include({ view: 3n, active: true })
  })

  it('a lone suspect changes nobody’s view, and still executes what the others commit', () => {
    const group = new Group(4)
    group.suspect(3)
    group.propose('a')
    expect(group.at(0).core.inspect()).to.include({ view: 0n, active: true })
    expect(group.at(3).core.inspect()).to.include({ view: 1n, active: false })
    expect(group.digests(3)).to.deep.equal([a.digest])
  })

  it('one replica alone changes its view', () => {
    const group = new Group(1)
    group.suspect(0)
    group.propose('a')
    expect(group.at(0).core.inspect()).to.include({ view: 1n, active: true })
    expect(group.digests(0)).to.have.length(1)
  })

  it('a null request that prepared keeps its number in the next view', () => {
    const driver = new Driver({ id: 2 })
    const nulls = [{ sequence: 1n, digest: NULL_DIGEST, view: 1n }]
    const changes = [0, 1, 3].map((id) => viewChange(id, 2n, { prepared: nulls }))
    driver.receive(2, viewChange(3, 2n))
    driver.receive(0, newView(2n, changes))
    expect(driver.core.inspect()).to.include({ view: 2n, active: true })
    // As primary of view 2 it must not give 1 to anything else.
    const [sent] = broadcasts(driver.step({ type: 'propose', batch: b }), 'pre-prepare')
    expect(sent?.sequence).to.equal(2n)
  })

  it('batches missing after a new view are asked for again, from one holder after the other', () => {
    const driver = new Driver({ id: 2 })
    const prepared = [claim(1n, a)]
    const changes = [0, 1, 3].map((id) => viewChange(id, 1n, { prepared }))
    driver.receive(1, newView(1n, changes))
    driver.fire('fetch')
    driver.fire('fetch')
    const asked = only(driver.effects, 'send')
      .filter((e) => e.message.type === 'fetch-batch')
      .map((e) => e.to)
    expect([...asked].sort()).to.deep.equal([0, 1, 3])
    expect(driver.core.inspect().view, 'not before it has them').to.equal(0n)
    driver.receive(1, { type: 'batch', batch: a })
    expect(driver.core.inspect()).to.include({ view: 1n, active: true })
  })

  for (const [problem, changes] of [
    ['fewer than 2f + 1 view-changes', [0, 1].map((id) => viewChange(id, 1n))],
    ['one replica’s view-change twice', [0, 1, 1].map((id) => viewChange(id, 1n))],
    ['a view-change for another view', [viewChange(0, 1n), viewChange(1, 1n), viewChange(3, 2n)]],
    ['a replica that does not exist', [0, 1, 77].map((id) => viewChange(id, 1n))],
    [
      'an unproven stable checkpoint',
      [viewChange(0, 1n), viewChange(1, 1n), viewChange(3, 1n, { lowWatermark: 2n, stable: [] })],
    ],
    [
      'a claim above the window',
      [viewChange(0, 1n), viewChange(1, 1n), viewChange(3, 1n, { prepared: [claim(9n, a)] })],
    ],
    [
      'a claim of the view itself',
      [viewChange(0, 1n), viewChange(1, 1n), viewChange(3, 1n, { prepared: [claim(1n, a, 1n)] })],
    ],
    [
      'a set that decides too little',
      [viewChange(0, 1n), viewChange(1, 1n), viewChange(3, 1n, { prepared: [claim(1n, a)] })],
    ],
  ] as const) {
    it(`§4.4 a new-view with ${problem} is refused, and changes nothing`, () => {
      const driver = new Driver({ id: 2 })
      const effects = driver.receive(1, newView(1n, changes))
      expect(rejectCodes(effects)).to.deep.equal(['PBFT_INVALID_NEW_VIEW'])
      expect(driver.core.inspect()).to.include({ view: 0n, active: true })
    })
  }

  it('§4.5.2 the primary waits for more view-changes when those it has decide too little', () => {
    const driver = new Driver({ id: 1 })
    driver.receive(3, viewChange(3, 1n, { prepared: [claim(1n, a)] }))
    driver.receive(2, viewChange(2, 1n))
    expect(broadcasts(driver.effects, 'new-view'), 'one claim, one voucher').to.deep.equal([])
    const sent = broadcasts(driver.receive(0, viewChange(0, 1n)), 'new-view')
    expect(sent, 'three without a claim').to.have.length(1)
  })

  it('a relayed new-view tells a replica of an old view about the current one', () => {
    const group = new Group(4)
    group.drop = ({ to }) => to === 3
    group.suspect(0, 2)
    group.propose('a')
    group.drop = () => false
    expect(group.at(3).core.inspect().view).to.equal(0n)
    group.exchangeStatus()
    expect(group.at(3).core.inspect()).to.include({ view: 1n, active: true })
    expect(group.digests(3)).to.deep.equal([a.digest])
  })

  it('view-changes that were lost are sent again', () => {
    const group = new Group(4)
    group.drop = ({ message }) => message.type === 'view-change'
    group.suspect(0, 2, 3)
    group.drop = () => false
    expect(group.at(0).core.inspect()).to.include({ view: 1n, active: false })
    group.exchangeStatus()
    for (const id of [0, 1, 2, 3])
      expect(group.at(id).core.inspect(), `replica ${id}`).to.include({ view: 1n, active: true })
  })

  it('who went on to a later view counts towards giving up an earlier one', () => {
    // Replica 2 is in view 2, replicas 0 and 3 are in view 1: too few for either.
    const driver = new Driver({ id: 3 })
    driver.step({ type: 'suspect', view: 0n })
    driver.receive(0, viewChange(0, 1n))
    driver.receive(2, viewChange(2, 2n))
    driver.fire('newView')
    expect(driver.core.inspect().view).to.equal(2n)
  })

  it('a replica never goes back to a view that it left', () => {
    const driver = new Driver({ id: 3 })
    driver.step({ type: 'suspect', view: 0n })
    for (const from of [0, 1]) driver.receive(from, viewChange(from, 5n))
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 2].map((id) => viewChange(id, 1n)),
      ),
    )
    expect(driver.core.inspect()).to.include({ view: 5n, active: false })
  })

  it('a stable checkpoint and its proof are enough for a view-change with nothing above it', () => {
    const driver = new Driver({ id: 2 })
    expect(rejectCodes(driver.receive(3, viewChange(3, 1n, { lowWatermark: 2n })))).to.deep.equal(
      [],
    )
    const bad = viewChange(0, 1n, { lowWatermark: 2n, stable: certificate(4n) })
    expect(rejectCodes(driver.receive(0, bad))).to.deep.equal(['PBFT_INVALID_VIEW_CHANGE'])
  })

  it('in a view that began, nobody waits for the next however many left earlier ones', () => {
    const driver = new Driver({ id: 6, n: 7 })
    for (const from of [0, 2, 3]) driver.receive(from, viewChange(from, 1n))
    const changes = [0, 2, 3, 4, 5].map((id) => viewChange(id, 1n))
    driver.receive(1, newView(1n, changes))
    for (const from of [4, 5]) driver.receive(from, viewChange(from, 2n))
    expect(driver.core.inspect()).to.include({ view: 1n, active: true })
    expect(driver.of('startTimer').filter(({ name }) => name === 'newView')).to.deep.equal([])
  })
})
