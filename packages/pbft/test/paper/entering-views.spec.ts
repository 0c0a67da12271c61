import { expect } from 'chai'
import type { ReplicaEffect } from '../../src/core/protocol.ts'
import {
  batchOf,
  broadcasts,
  certificate,
  checkpoint,
  claim,
  Driver,
  newView,
  only,
  sendsTo,
  viewChange,
} from '../support/cores.ts'

const a = batchOf('a')
const b = batchOf('b')

const changesOf = (view: bigint, ...ids: number[]) => ids.map((id) => viewChange(id, view))
const carrying = (view: bigint, ...batches: ReturnType<typeof batchOf>[]) => {
  const prepared = batches.map((batch, at) => claim(BigInt(at) + 1n, batch))
  return [0, 1, 3].map((id) => viewChange(id, view, { prepared }))
}
const fetches = (effects: readonly ReplicaEffect[]): bigint[] =>
  only(effects, 'send').flatMap(({ message }) =>
    message.type === 'fetch-batch' ? [message.sequence] : [],
  )
const stopped = (effects: readonly ReplicaEffect[]): string[] =>
  only(effects, 'stopTimer').map(({ name }) => name)

/** Commits a batch at a replica that did not see it prepare, and executes it if asked to. */
function commit(driver: Driver, sequence: bigint, batch = a, isExecuted = false): void {
  driver.prePrepare(sequence, batch)
  for (const from of [0, 1, 2, 3].filter((id) => id !== driver.options.id))
    driver.commit(from, sequence, batch)
  if (isExecuted) driver.executed(sequence)
}

describe('a new-view', () => {
  it('of the view that it is in tells a replica nothing', () => {
    const driver = new Driver({ id: 2 })
    const sent = newView(1n, changesOf(1n, 0, 1, 3))
    driver.receive(1, sent)
    expect(driver.receive(3, sent)).to.deep.equal([])
  })

  it('of an earlier view than the one whose batches are fetched is not entered', () => {
    const driver = new Driver({ id: 2 })
    driver.receive(0, newView(4n, carrying(4n, a)))
    driver.receive(1, newView(1n, changesOf(1n, 0, 1, 3)))
    driver.receive(0, { type: 'batch', batch: a })
    expect(driver.core.inspect()).to.include({ view: 4n, active: true })
  })

  it('is not replaced by another one of the same view, with which its primary contradicts itself', () => {
    const driver = new Driver({ id: 2 })
    driver.receive(1, newView(1n, carrying(1n, a)))
    driver.receive(1, newView(1n, changesOf(1n, 0, 1, 3)))
    expect(driver.core.inspect().view).to.equal(0n)
    const effects = driver.receive(0, { type: 'batch', batch: a })
    expect(only(effects, 'accepted').map(({ batch }) => batch.digest)).to.deep.equal([a.digest])
  })

  it('stops the timer of who waited for it, and is passed on by its primary only', () => {
    const driver = new Driver({ id: 2 })
    driver.step({ type: 'suspect', view: 0n })
    for (const from of [0, 3]) driver.receive(from, viewChange(from, 1n))
    const effects = driver.receive(1, newView(1n, changesOf(1n, 0, 1, 3)))
    expect(stopped(effects)).to.include('newView')
    expect(broadcasts(effects, 'new-view')).to.deep.equal([])
  })

  it('that was not expected counts as a change of views without progress', () => {
    const driver = new Driver({ id: 2 })
    driver.receive(1, newView(1n, changesOf(1n, 0, 1, 3)))
    expect(driver.core.inspect().timeoutFactor).to.equal(1)
    driver.receive(3, newView(3n, changesOf(3n, 0, 1, 3)))
    expect(driver.core.inspect().timeoutFactor).to.equal(2)
  })

  it('asks for no batch at or below the stable checkpoint', () => {
    const driver = new Driver({ id: 2 }, [], 2n)
    driver.step({ type: 'start' })
    for (const from of [0, 3]) driver.receive(from, checkpoint(from, 2n))
    expect(driver.core.inspect().lowWatermark).to.equal(2n)
    const c = batchOf('c')
    const effects = driver.receive(1, newView(1n, carrying(1n, a, b, c)))
    expect(fetches(effects)).to.deep.equal([3n])
    const entered = driver.receive(0, { type: 'batch', batch: c })
    expect(broadcasts(entered, 'prepare').map(({ sequence }) => sequence)).to.deep.equal([3n])
  })

  it('changes nothing about what is stable and only waits for execution', () => {
    const driver = new Driver({ id: 2, maxExecutionsInFlight: 1 })
    commit(driver, 1n, a)
    commit(driver, 2n, b)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    const effects = driver.receive(1, newView(1n, carrying(1n, b, a)))
    expect(only(effects, 'accepted')).to.deep.equal([])
    expect(only(effects, 'fail')).to.deep.equal([])
    expect(broadcasts(effects, 'prepare')).to.deep.equal([])
    expect(only(driver.executed(1n), 'execute').map(({ batch }) => batch.digest)).to.deep.equal([
      b.digest,
    ])
  })

  it('that gives the number of a committed batch to another one stops a replica', () => {
    const driver = new Driver({ id: 2 })
    commit(driver, 1n, a, true)
    driver.receive(1, newView(1n, carrying(1n, b)))
    const effects = driver.receive(0, { type: 'batch', batch: b })
    expect(only(effects, 'fail').map(({ detail }) => detail)).to.deep.equal([
      'view 1 gives 1 to another batch than was committed',
    ])
    expect(only(effects, 'persist')).to.deep.equal([])
  })

  it('is the only record where all of its batches are known, and comes after those that are not', () => {
    const driver = new Driver({ id: 2 })
    driver.prePrepare(1n, a)
    driver.receive(1, newView(1n, carrying(1n, a, b)))
    const effects = driver.receive(0, { type: 'batch', batch: b })
    const records = only(effects, 'persist').map(({ record }) =>
      record.type === 'pre-prepared' ? record.batch.digest : record.type,
    )
    expect(records).to.deep.equal([b.digest, 'new-view'])
  })

  it('needs no record of the null requests in it', () => {
    const driver = new Driver({ id: 2 })
    driver.prePrepare(2n, b)
    const prepared = [claim(2n, b)]
    const changes = [0, 1, 3].map((id) => viewChange(id, 1n, { prepared }))
    const records = only(driver.receive(1, newView(1n, changes)), 'persist')
    expect(records.map(({ record }) => record.type)).to.deep.equal(['new-view'])
  })

  it('is proposed and not prepared by its primary', () => {
    const driver = new Driver({ id: 1 })
    driver.prePrepare(1n, a)
    driver.prepare(2, 1n, a)
    driver.step({ type: 'suspect', view: 0n })
    const prepared = [claim(1n, a)]
    driver.receive(2, viewChange(2, 1n, { prepared }))
    const effects = driver.receive(3, viewChange(3, 1n, { prepared }))
    expect(broadcasts(effects, 'new-view')).to.have.length(1)
    expect(broadcasts(effects, 'prepare')).to.deep.equal([])
  })

  it('leaves the proof of its stable checkpoint in the journal', () => {
    const driver = new Driver({ id: 2 })
    const changes = [viewChange(0, 1n), viewChange(1, 1n), viewChange(3, 1n, { lowWatermark: 4n })]
    const records = only(driver.receive(1, newView(1n, changes)), 'persist')
    expect(records.map(({ record }) => record)).to.deep.include({
      type: 'stable',
      certificate: { type: 'certificate', checkpoints: certificate(4n) },
    })
  })

  it('gives no number that its primary has executed to another batch', () => {
    const driver = new Driver({ id: 1 }, [], 4n)
    driver.step({ type: 'suspect', view: 0n })
    for (const from of [2, 3]) driver.receive(from, viewChange(from, 1n))
    const [sent] = broadcasts(driver.step({ type: 'propose', batch: a }), 'pre-prepare')
    expect(sent?.sequence).to.equal(5n)
  })
})

describe('a batch that was fetched', () => {
  it('belongs to the new view also where votes for its number came before it', () => {
    const driver = new Driver({ id: 2 })
    driver.commit(3, 1n, a)
    driver.receive(1, newView(1n, carrying(1n, a)))
    driver.receive(0, { type: 'batch', batch: a })
    expect(driver.core.inspect()).to.include({ view: 1n, active: true })
  })

  it('stops the timer when it was the last one that was missing', () => {
    const driver = new Driver({ id: 2 })
    for (const [sequence, batch] of [
      [1n, a],
      [2n, b],
    ] as const)
      for (const from of [0, 1, 3]) driver.commit(from, sequence, batch)
    expect(stopped(driver.receive(0, { type: 'batch', batch: a }))).to.deep.equal([])
    expect(stopped(driver.receive(0, { type: 'batch', batch: b }))).to.deep.equal(['fetch'])
  })
})

describe('signatures that come late', () => {
  /** A core whose signer answers when told to; gives what it asks to have signed. */
  const asked = (core: Driver['core'], event: Parameters<typeof core.step>[0]): string[] =>
    only(core.step(event), 'sign').map(({ statement }) => statement.type)
  const from = (sender: number, message: ReturnType<typeof viewChange>) =>
    ({ type: 'message', from: sender, message }) as const

  it('are asked for once for a new-view, however many view-changes come', () => {
    const { core } = new Driver({ id: 1 })
    core.step({ type: 'suspect', view: 0n })
    core.step({ type: 'signed', message: viewChange(1, 1n) })
    const all = [0, 2, 3].flatMap((id) => asked(core, from(id, viewChange(id, 1n))))
    expect(all).to.deep.equal(['new-view'])
  })

  it('do not bring a replica into a view that it has left for another of its own', () => {
    const { core } = new Driver({ id: 1 })
    for (const view of [1n, 5n]) {
      const others = [2, 3].map((id) => from(id, viewChange(id, view)))
      for (const event of others) core.step(event)
      core.step({ type: 'signed', message: viewChange(1, view) })
    }
    const first = newView(1n, changesOf(1n, 1, 2, 3))
    expect(core.step({ type: 'signed', message: first })).to.deep.equal([])
    expect(core.inspect()).to.include({ view: 5n, active: false })
    core.step({ type: 'signed', message: newView(5n, changesOf(5n, 1, 2, 3)) })
    expect(core.inspect()).to.include({ view: 5n, active: true })
  })

  it('under a view-change are told to nobody once the view is another, or has begun', () => {
    const { core } = new Driver({ id: 2 })
    core.step({ type: 'suspect', view: 0n })
    for (const id of [0, 3]) core.step(from(id, viewChange(id, 5n)))
    expect(core.step({ type: 'signed', message: viewChange(2, 1n) })).to.deep.equal([])
    core.step({ type: 'message', from: 1, message: newView(5n, changesOf(5n, 0, 1, 3)) })
    expect(core.step({ type: 'signed', message: viewChange(2, 5n) })).to.deep.equal([])
  })

  it('leave no view-change of an earlier view behind, in the journal or for others', () => {
    const { core } = new Driver({ id: 2 })
    core.step({ type: 'suspect', view: 0n })
    core.step({ type: 'signed', message: viewChange(2, 1n) })
    core.step({ type: 'message', from: 1, message: newView(1n, changesOf(1n, 0, 1, 3)) })
    core.step({ type: 'suspect', view: 1n })
    const types = core.durableRecords().map(({ type }) => type)
    expect(types).to.deep.equal(['new-view', 'heard'])
  })
})

describe('leaving a view', () => {
  it('is for the view that is suspected, and not for one that is over or has not begun', () => {
    const driver = new Driver({ id: 2 })
    expect(driver.step({ type: 'suspect', view: 1n })).to.deep.equal([])
    driver.step({ type: 'suspect', view: 0n })
    expect(driver.step({ type: 'suspect', view: 1n }), 'not begun').to.deep.equal([])
    driver.receive(1, newView(1n, changesOf(1n, 0, 1, 3)))
    expect(driver.step({ type: 'suspect', view: 0n }), 'over').to.deep.equal([])
    expect(driver.core.inspect()).to.include({ view: 1n, active: true })
  })

  it('stops the timer of the view that was waited for', () => {
    const driver = new Driver({ id: 2 })
    driver.step({ type: 'suspect', view: 0n })
    for (const from of [0, 3]) driver.receive(from, viewChange(from, 1n))
    driver.receive(0, viewChange(0, 5n))
    expect(stopped(driver.receive(3, viewChange(3, 5n)))).to.deep.equal(['newView'])
  })

  it('claims nothing that is stable and only waits for execution', () => {
    const driver = new Driver({ id: 2, maxExecutionsInFlight: 1 })
    for (const sequence of [1n, 2n, 3n]) {
      driver.prePrepare(sequence, a)
      for (const from of [1, 3]) driver.prepare(from, sequence, a)
    }
    for (const sequence of [1n, 2n]) for (const from of [0, 3]) driver.commit(from, sequence, a)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    const [sent] = broadcasts(driver.step({ type: 'suspect', view: 0n }), 'view-change')
    expect(sent?.prepared).to.deep.equal([claim(3n, a)])
    expect(sent?.prePrepared).to.deep.equal([claim(3n, a)])
  })

  it('claims no batch of the view that it leaves for, which a crash left in the journal', () => {
    const batch = { type: 'pre-prepared', view: 1n, sequence: 1n, batch: a } as const
    const driver = new Driver({ id: 2 }, [batch])
    const [sent] = broadcasts(driver.step({ type: 'suspect', view: 0n }), 'view-change')
    expect(sent?.prePrepared).to.deep.equal([])
  })

  it('follows f + 1 others to the earlier of their views, whichever comes first', () => {
    for (const [second, third] of [
      [5n, 7n],
      [7n, 5n],
    ] as const) {
      const driver = new Driver({ id: 1 })
      driver.receive(2, viewChange(2, second))
      driver.receive(3, viewChange(3, third))
      expect(driver.core.inspect().view).to.equal(5n)
    }
  })

  it('does not follow view-changes that others show it as its own', () => {
    const driver = new Driver({ id: 1 })
    driver.receive(2, viewChange(1, 1n))
    driver.receive(2, viewChange(2, 1n))
    expect(driver.core.inspect()).to.include({ view: 0n, active: true })
    const late = new Driver({ id: 1 })
    late.receive(2, viewChange(1, 1n))
    expect(late.step({ type: 'late', view: 0n, isLate: true })).to.deep.equal([])
  })

  it('is not for the view-changes by which the present view began', () => {
    const driver = new Driver({ id: 2 })
    for (const from of [0, 3]) driver.receive(from, viewChange(from, 1n))
    driver.receive(1, newView(1n, changesOf(1n, 0, 1, 3)))
    expect(driver.step({ type: 'late', view: 1n, isLate: true })).to.deep.equal([])
    expect(driver.step({ type: 'late', view: 1n, isLate: false })).to.deep.equal([])
    const [left] = broadcasts(driver.step({ type: 'suspect', view: 1n }), 'view-change')
    expect(left?.view).to.equal(2n)
  })

  it('starts in each view without a late request', () => {
    const driver = new Driver({ id: 2 })
    driver.step({ type: 'late', view: 0n, isLate: true })
    driver.step({ type: 'suspect', view: 0n })
    driver.receive(1, newView(1n, changesOf(1n, 0, 1, 3)))
    driver.receive(3, viewChange(3, 2n))
    expect(driver.core.inspect()).to.include({ view: 1n, active: true })
  })
})

describe('the owner of a replica', () => {
  it('is told when it leaves a view and when it enters one', () => {
    const driver = new Driver({ id: 2 })
    driver.step({ type: 'suspect', view: 0n })
    driver.receive(1, newView(1n, changesOf(1n, 0, 1, 3)))
    const type = 'viewChanged'
    expect(driver.of(type)).to.deep.equal([
      { type, view: 1n, primary: 1, active: false },
      { type, view: 1n, primary: 1, active: true },
    ])
  })
})

describe('view-changes of views that are over', () => {
  const bad = { lowWatermark: 3n }

  it('are not even judged', () => {
    const driver = new Driver({ id: 2 })
    driver.receive(1, newView(1n, changesOf(1n, 0, 1, 3)))
    expect(driver.receive(3, viewChange(3, 1n, bad)), 'of this view').to.deep.equal([])
    driver.step({ type: 'suspect', view: 1n })
    expect(driver.receive(3, viewChange(3, 1n, bad)), 'of the one before').to.deep.equal([])
    expect(only(driver.receive(3, viewChange(3, 2n, bad)), 'reject')).to.have.length(1)
  })

  it('do not count for a later one that is waited for', () => {
    const timers = (driver: Driver) =>
      driver.of('startTimer').filter(({ name }) => name === 'newView').length
    const driver = new Driver({ id: 6, n: 7 })
    for (const [from, view] of [
      [0, 1n],
      [1, 1n],
      [2, 5n],
      [3, 5n],
    ] as const)
      driver.receive(from, viewChange(from, view))
    expect([driver.core.inspect().view, timers(driver)]).to.deep.equal([1n, 1])
    driver.receive(4, viewChange(4, 5n))
    expect([driver.core.inspect().view, timers(driver)]).to.deep.equal([5n, 1])
    driver.receive(5, viewChange(5, 5n))
    expect([driver.core.inspect().view, timers(driver)]).to.deep.equal([5n, 2])
  })
})

describe('batches of a new view', () => {
  it('are asked for from those that say they hold them at that number', () => {
    const changes = [
      viewChange(0, 1n, { prepared: [claim(1n, a)] }),
      viewChange(1, 1n, { prePrepared: [claim(1n, a), claim(2n, b)] }),
      viewChange(3, 1n, { prePrepared: [claim(2n, a), claim(1n, b)] }),
    ]
    const driver = new Driver({ id: 2 })
    driver.receive(1, newView(1n, changes))
    for (let i = 0; i < 4; i++) driver.fire('fetch')
    const asked = [0, 1, 3].map((id) => sendsTo(driver.effects, id, 'fetch-batch').length)
    expect(asked.map((times) => times > 0)).to.deep.equal([true, true, false])
  })
})
