import { expect } from 'chai'
import {
  batchOf,
  broadcasts,
  certificate,
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
const idle = {
  type: 'status',
  view: 0n,
  active: true,
  lastExecuted: 0n,
  lowWatermark: 0n,
  viewChanges: [],
  slots: [],
  digests: [],
  query: 0n,
  reply: 0n,
  ...unheard,
} as const

describe('PBFT (TOCS ’02 §5.2): restart and retransmission', () => {
  it('a restarted backup refuses another pre-prepare for a number that it prepared', () => {
    const before = new Driver({ id: 1 })
    before.prePrepare(1n, a)
    const after = before.restart(0n)
    expect(rejectCodes(after.prePrepare(1n, b))).to.deep.equal(['PBFT_CONFLICT'])
    expect(broadcasts(after.effects, 'prepare')).to.deep.equal([])
  })

  it('a restarted backup says again what it said before', () => {
    const before = new Driver({ id: 1 })
    before.prePrepare(1n, a)
    before.prepare(2, 1n, a)
    const after = before.restart(0n)
    after.step({ type: 'start' })
    const effects = after.receive(3, idle)
    expect(sendsTo(effects, 3, 'prepare').map((p) => p.digest)).to.deep.equal([a.digest])
    expect(sendsTo(effects, 3, 'commit').map((c) => c.digest)).to.deep.equal([a.digest])
  })

  it('a restarted primary gives no number twice', () => {
    const before = new Driver({ id: 0 })
    before.step({ type: 'propose', batch: a })
    const after = before.restart(0n)
    const [sent] = broadcasts(after.step({ type: 'propose', batch: b }), 'pre-prepare')
    expect(sent?.sequence).to.equal(2n)
  })

  it('a restarted replica stays out of the view that it left, and repeats its view-change', () => {
    const before = new Driver({ id: 1 })
    before.step({ type: 'suspect', view: 0n })
    const after = before.restart(0n)
    const sent = broadcasts(after.step({ type: 'start' }), 'view-change')
    expect(sent.map((vc) => vc.view)).to.deep.equal([1n])
    expect(after.core.inspect()).to.include({ view: 1n, active: false })
    expect(broadcasts(after.prePrepare(1n, a), 'prepare')).to.deep.equal([])
  })

  it('a restarted replica is back in the view that it had entered, with what that carried over', () => {
    const group = new Group(4)
    group.drop = ({ message }) => message.type === 'commit'
    group.propose('a')
    group.suspect(2, 3)
    const after = group.at(2).restart(0n)
    expect(after.core.inspect()).to.include({ view: 1n, active: true })
    expect(rejectCodes(after.prePrepare(1n, b, 1n))).to.deep.equal(['PBFT_CONFLICT'])
  })

  it('a restarted replica still claims in P and Q what it had prepared', () => {
    const before = new Driver({ id: 1 })
    before.prePrepare(1n, a)
    before.prepare(2, 1n, a)
    before.prePrepare(2n, b)
    const [sent] = broadcasts(before.restart(0n).step({ type: 'suspect', view: 0n }), 'view-change')
    expect(sent?.prepared.map((p) => p.sequence)).to.deep.equal([1n])
    expect(sent?.prePrepared.map((p) => p.sequence)).to.deep.equal([1n, 2n])
  })

  it('a rewritten journal still claims in P and Q what had prepared', () => {
    const before = new Driver({ id: 1 })
    before.prePrepare(1n, a)
    before.prepare(2, 1n, a)
    const after = new Driver(before.options, before.core.durableRecords())
    const [sent] = broadcasts(after.step({ type: 'suspect', view: 0n }), 'view-change')
    expect(sent?.prepared).to.deep.equal([claim(1n, a)])
    expect(sent?.prePrepared).to.deep.equal([claim(1n, a)])
  })

  it('a rewritten journal brings back the same replica as the whole one', () => {
    const group = new Group(4)
    for (const name of ['a', 'b', 'c']) group.propose(name)
    group.suspect(2, 3)
    group.drop = ({ message }) => message.type === 'commit'
    group.propose('d')
    group.suspect(3)
    const driver = group.at(3)
    const whole = driver.restart(3n)
    const short = new Driver(driver.options, driver.core.durableRecords(), 3n)
    expect(short.core.inspect()).to.deep.equal(whole.core.inspect())
    // What was heard since the last time that it was kept only the one knows that did not crash.
    const said = ({ core }: Driver) => core.durableRecords().filter(({ type }) => type !== 'heard')
    expect(said(short)).to.deep.equal(said(whole))
    expect(short.core.durableRecords().length).to.be.lessThan(driver.journal.length)
  })

  it('a restarted replica announces the checkpoint that it had no time to sign', () => {
    const driver = new Driver({ id: 1 }, [], 2n)
    const sent = broadcasts(driver.step({ type: 'start' }), 'checkpoint')
    expect(sent.map((c) => [c.sequence, c.digest])).to.deep.equal([[2n, stateDigest(2n)]])
  })

  it('a lost pre-prepare is sent again by the primary, and the others’ votes by them', () => {
    const group = new Group(4)
    group.drop = ({ to }) => to === 3
    group.propose('a')
    group.drop = () => false
    expect(group.digests(3)).to.deep.equal([])
    group.exchangeStatus()
    expect(group.digests(3)).to.deep.equal([a.digest])
  })

  for (const kind of ['pre-prepare', 'prepare', 'commit', 'checkpoint'] as const) {
    it(`the loss of every ${kind} is made good by status messages`, () => {
      const group = new Group(4)
      group.drop = ({ message }) => message.type === kind
      group.propose('a')
      group.propose('b')
      group.drop = () => false
      group.exchangeStatus(3)
      for (const id of [0, 1, 2, 3]) {
        expect(group.digests(id), `replica ${id}`).to.deep.equal([a.digest, b.digest])
        expect(group.at(id).core.inspect().lowWatermark, `h of ${id}`).to.equal(2n)
      }
    })
  }

  it('what the others lack is sent, and nothing that they have or that is under way', () => {
    const group = new Group(4)
    group.propose('a')
    group.at(1).receive(3, { ...idle, lastExecuted: 1n })
    const level = group.at(1).receive(3, { ...idle, lastExecuted: 1n })
    expect(only(level, 'send'), 'level').to.deep.equal([])
    group.propose('b')
    group.propose('c')
    const moving = group.at(1).receive(3, { ...idle, lastExecuted: 2n, lowWatermark: 2n })
    expect(only(moving, 'send'), 'moving on').to.deep.equal([])
  })

  it('a replica that missed more than the window catches up without new requests', () => {
    const group = new Group(4)
    group.drop = ({ to, from }) => to === 3 || from === 3
    for (let i = 0; i < 21; i++) group.propose(`request ${i}`)
    group.drop = () => false
    group.exchangeStatus(3)
    expect(group.executed[3]!.at(-1)).to.include({ sequence: 21n })
    expect(group.at(3).core.inspect()).to.include({ lastExecuted: 21n, lowWatermark: 20n })
  })

  it('a replica that enters a view late says at once what it lacks there, one that left for it does not', () => {
    const changes = [0, 1, 2].map((id) => viewChange(id, 1n))
    const late = new Driver({ id: 3 })
    const effects = late.receive(0, newView(1n, changes))
    expect(broadcasts(effects, 'status').map(({ view, active }) => [view, active])).to.deep.equal([
      [1n, true],
    ])
    const voter = new Driver({ id: 3 })
    voter.step({ type: 'suspect', view: 0n })
    expect(broadcasts(voter.receive(1, newView(1n, changes)), 'status')).to.deep.equal([])
  })

  it('a replica that fetched a state asks at once for what came after it', () => {
    const driver = new Driver({ id: 3 })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(10n) })
    const digest = stateDigest(10n)
    const effects = driver.step({ type: 'transferred', sequence: 10n, digest })
    expect(broadcasts(effects, 'status').map((status) => status.lastExecuted)).to.deep.equal([10n])
  })

  it('a replica whose batch never came fetches it once a quorum committed it', () => {
    const driver = new Driver({ id: 3 })
    for (const from of [0, 1, 2]) driver.commit(from, 1n, a)
    const asked = only(driver.effects, 'send').map((e) => e.message.type)
    expect(asked).to.deep.equal(['fetch-batch'])
    driver.receive(1, { type: 'batch', batch: b })
    expect(driver.of('execute'), 'another batch').to.deep.equal([])
    driver.receive(1, { type: 'batch', batch: a })
    expect(driver.of('execute').map((e) => e.batch.digest)).to.deep.equal([a.digest])
  })

  it('a batch that one replica alone executed, in an earlier view, is committed by all in the next', () => {
    const group = new Group(4)
    group.drop = ({ message, to }) => message.type === 'commit' && to !== 0
    group.propose('a')
    group.drop = ({ message, from, to }) =>
      from === 3 || to === 3 || (message.type === 'prepare' && to === 0)
    group.suspect(1, 2)
    expect([0, 1, 2, 3].map((id) => group.digests(id))).to.deep.equal([[a.digest], [], [], []])
    group.drop = ({ from, to }) => from === 3 || to === 3
    group.exchangeStatus(3)
    expect([0, 1, 2].map((id) => group.digests(id))).to.deep.equal([
      [a.digest],
      [a.digest],
      [a.digest],
    ])
    expect(group.at(2).core.inspect().view).to.equal(1n)
  })

  it('prepares of this view are repeated while nothing is executed, but for what is final', () => {
    const driver = new Driver({ id: 1 })
    const repeated = (): bigint[] =>
      broadcasts(driver.fire('status'), 'prepare').map((p) => p.sequence)
    driver.step({ type: 'start' })
    driver.prePrepare(1n, a)
    driver.prePrepare(2n, b)
    for (const from of [0, 2, 3]) driver.commit(from, 2n, b)
    expect([repeated(), repeated(), repeated()]).to.deep.equal([[], [1n], [1n]])
    driver.step({ type: 'suspect', view: 0n })
    expect(repeated(), 'of a view that it left').to.deep.equal([])
  })

  it('whole groups restart, one replica after the other, and lose nothing', () => {
    const group = new Group(4)
    group.propose('a')
    group.suspect(0, 2, 3)
    for (const id of [0, 1, 2, 3]) group.restart(id)
    group.propose('b')
    group.exchangeStatus()
    for (const id of [0, 1, 2, 3]) {
      expect(group.digests(id), `replica ${id}`).to.deep.equal([a.digest, b.digest])
      expect(group.at(id).core.inspect().view, `view of ${id}`).to.equal(1n)
    }
  })

  it('a primary whose state was transferred goes on above it', () => {
    const primary = new Driver({ id: 0 })
    primary.receive(1, { type: 'certificate', checkpoints: certificate(20n) })
    expect(primary.core.room(), 'not while it is behind').to.equal(0)
    primary.step({ type: 'transferred', sequence: 20n, digest: stateDigest(20n) })
    const [sent] = broadcasts(primary.step({ type: 'propose', batch: a }), 'pre-prepare')
    expect(sent?.sequence).to.equal(21n)
  })

  it('a new view whose base is what was executed moves h without a transfer', () => {
    const driver = new Driver({ id: 2 }, [], 4n)
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 3].map((id) => viewChange(id, 1n, { lowWatermark: 4n })),
      ),
    )
    expect(driver.core.inspect()).to.include({ view: 1n, active: true, lowWatermark: 4n })
    expect(driver.of('transfer')).to.deep.equal([])
  })

  it('a restarted replica still has its checkpoint, and sends it to who lacks it', () => {
    const before = new Driver({ id: 1 }, [], 2n)
    before.step({ type: 'start' })
    const after = before.restart(3n)
    after.step({ type: 'start' })
    const effects = after.receive(3, { ...idle, lastExecuted: 2n })
    expect(sendsTo(effects, 3, 'checkpoint').map((c) => c.sequence)).to.deep.equal([2n])
  })

  it('a replica that executed past a checkpoint that a quorum contradicts stops', () => {
    const driver = new Driver({ id: 1 }, [], 2n)
    driver.step({ type: 'start' })
    driver.prePrepare(3n, a)
    for (const from of [0, 2, 3]) driver.commit(from, 3n, a)
    driver.executed(3n)
    const checkpoints = certificate(2n).map((c) => ({ ...c, digest: 'ff' }))
    driver.receive(0, { type: 'certificate', checkpoints })
    expect(driver.of('fail')).to.have.length(1)
  })

  it('a transfer that ends in another state than a quorum signed for stops the replica', () => {
    const driver = new Driver({ id: 3 })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    driver.step({ type: 'transferred', sequence: 4n, digest: 'ff' })
    expect(driver.of('fail')).to.have.length(1)
    expect(driver.step({ type: 'suspect', view: 0n }), 'and it does nothing more').to.deep.equal([])
  })

  it('a batch that had to be fetched for a new view is durable before it is prepared', () => {
    const before = new Driver({ id: 2 })
    const prepared = [claim(1n, a)]
    before.receive(
      1,
      newView(
        1n,
        [0, 1, 3].map((id) => viewChange(id, 1n, { prepared })),
      ),
    )
    before.receive(1, { type: 'batch', batch: a })
    const after = before.restart(0n)
    expect(rejectCodes(after.prePrepare(1n, b, 1n))).to.deep.equal(['PBFT_CONFLICT'])
    const [sent] = broadcasts(after.step({ type: 'suspect', view: 1n }), 'view-change')
    expect(sent?.prePrepared).to.deep.equal([claim(1n, a, 1n)])
  })

  it('a batch proposed again under its number in a later view is journaled for that view', () => {
    const before = new Driver({ id: 2 })
    before.prePrepare(1n, a)
    before.receive(
      1,
      newView(
        1n,
        [0, 1, 3].map((id) => viewChange(id, 1n)),
      ),
    )
    before.prePrepare(1n, a, 1n)
    const after = before.restart(0n)
    expect(rejectCodes(after.prePrepare(1n, b, 1n))).to.deep.equal(['PBFT_CONFLICT'])
  })

  it('null requests of a new view are back after a restart', () => {
    const before = new Driver({ id: 2 })
    const prepared = [claim(2n, a)]
    before.receive(
      1,
      newView(
        1n,
        [0, 1, 3].map((id) => viewChange(id, 1n, { prepared })),
      ),
    )
    before.receive(1, { type: 'batch', batch: a })
    expect(rejectCodes(before.restart(0n).prePrepare(1n, b, 1n))).to.deep.equal(['PBFT_CONFLICT'])
  })

  it('a new-view whose signature comes after the replica went on is not used', () => {
    const { core } = new Driver({ id: 1 })
    core.step({ type: 'suspect', view: 0n })
    core.step({ type: 'signed', message: viewChange(1, 1n) })
    for (const from of [2, 3]) core.step({ type: 'message', from, message: viewChange(from, 1n) })
    for (const from of [2, 3]) core.step({ type: 'message', from, message: viewChange(from, 5n) })
    const late = newView(
      1n,
      [1, 2, 3].map((id) => viewChange(id, 1n)),
    )
    expect(core.step({ type: 'signed', message: late })).to.deep.equal([])
    expect(core.inspect()).to.include({ view: 5n, active: false })
  })
})
