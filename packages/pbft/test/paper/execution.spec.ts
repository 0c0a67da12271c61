import { expect } from 'chai'
import type { Status } from '../../src/core/messages.ts'
import { Slot } from '../../src/core/slot.ts'
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
  stateDigest,
  viewChange,
  unheard,
} from '../support/cores.ts'

const a = batchOf('a')
const b = batchOf('b')

const others = (driver: Driver): number[] => [0, 1, 2, 3].filter((id) => id !== driver.options.id)

/** A quorum commits `batch`, which this replica has. */
function commit(driver: Driver, sequence: bigint, batch = a): void {
  driver.prePrepare(sequence, batch)
  for (const from of others(driver)) driver.commit(from, sequence, batch)
}

const executes = (driver: Driver): bigint[] => driver.of('execute').map((e) => e.sequence)

/** Whether it still has the batch at that number. */
const has = (driver: Driver, sequence: bigint, batch = a): boolean => {
  const ask = { type: 'fetch-batch', sequence, digest: batch.digest } as const
  return sendsTo(driver.receive(2, ask), 2, 'batch').length > 0
}

const stable = (driver: Driver, sequence: bigint): void => {
  for (const from of [0, 1, 2]) driver.receive(from, checkpoint(from, sequence))
}

const claiming = (lastExecuted: bigint): Status => ({
  ...{ type: 'status', view: 0n, active: true, lastExecuted, lowWatermark: 0n },
  ...{ viewChanges: [], slots: [], query: 0n, reply: 0n, digests: [stateDigest(lastExecuted)] },
  ...unheard,
})

/** Brings replica 3 to `sequence`, which is no checkpoint, by what two others claim. */
function transfer(driver: Driver, sequence: bigint): ReturnType<Driver['step']> {
  driver.step({ type: 'start' })
  for (const from of [1, 2]) driver.receive(from, claiming(sequence))
  for (let i = 0; i < 3; i++) driver.fire('status')
  return driver.step({ type: 'transferred', sequence, digest: stateDigest(sequence) })
}

describe('execution', () => {
  it('has no more than maxExecutionsInFlight under way', () => {
    const driver = new Driver({ id: 3, maxExecutionsInFlight: 2 })
    for (const sequence of [1n, 2n, 3n, 4n]) commit(driver, sequence)
    expect(executes(driver)).to.deep.equal([1n, 2n])
    driver.executed(1n)
    expect(executes(driver)).to.deep.equal([1n, 2n, 3n])
  })

  it('frees what is stable, and keeps what is not, for who lacks it', () => {
    const driver = new Driver({ id: 3 })
    for (const sequence of [1n, 2n, 3n]) commit(driver, sequence)
    for (const sequence of [1n, 2n, 3n]) driver.executed(sequence)
    expect([1n, 2n, 3n].map((at) => has(driver, at))).to.deep.equal([true, true, true])
    for (const from of [0, 1]) driver.receive(from, checkpoint(from, 2n))
    expect(driver.core.inspect().lowWatermark).to.equal(2n)
    expect([1n, 2n, 3n].map((at) => has(driver, at))).to.deep.equal([false, false, true])
  })

  it('frees the last that it executed when that is stable', () => {
    const driver = new Driver({ id: 3 })
    for (const sequence of [1n, 2n]) commit(driver, sequence)
    for (const sequence of [1n, 2n]) driver.executed(sequence)
    for (const from of [0, 1]) driver.receive(from, checkpoint(from, 2n))
    expect([1n, 2n].map((at) => has(driver, at))).to.deep.equal([false, false])
  })

  it('keeps what is stable until it is executed, and then frees it', () => {
    const driver = new Driver({ id: 3, maxExecutionsInFlight: 1 })
    for (const sequence of [1n, 2n]) commit(driver, sequence)
    stable(driver, 2n)
    const kept = (): boolean[] => [1n, 2n].map((at) => has(driver, at))
    expect(kept()).to.deep.equal([true, true])
    driver.executed(1n)
    expect(kept()).to.deep.equal([false, true])
    driver.executed(2n)
    expect(kept()).to.deep.equal([false, false])
  })

  for (const [what, at, isKept] of [
    ['a window behind the stable checkpoint waits for what is missing', 8n, true],
    ['further behind gives up its log and fetches the state', 10n, false],
  ] as const) {
    it(what, () => {
      const driver = new Driver({ id: 3 })
      commit(driver, 2n)
      stable(driver, at)
      expect(driver.core.inspect().lowWatermark).to.equal(at)
      expect(has(driver, 2n)).to.equal(isKept)
      expect(driver.of('transfer').map(({ sequence }) => sequence)).to.deep.equal(
        isKept ? [] : [at],
      )
    })
  }
})

describe('a state transfer', () => {
  it('asks no replica for its own state, and begins with another one after each attempt', () => {
    const journal = [
      {
        type: 'stable',
        certificate: { type: 'certificate', checkpoints: certificate(2n) },
      },
    ] as const
    const driver = new Driver({ id: 1 }, journal)
    driver.step({ type: 'start' })
    for (let i = 0; i < 4; i++) {
      driver.fire('status')
      driver.step({ type: 'transferFailed' })
    }
    expect(driver.of('transfer').map(({ replicas }) => replicas)).to.deep.equal([
      [2, 0],
      [0, 2],
      [2, 0],
    ])
  })

  it('asks the next one after each attempt', () => {
    const checkpoints = [0, 1, 2, 4, 5].map((id) => checkpoint(id, 2n))
    const certificate = { type: 'certificate', checkpoints } as const
    const driver = new Driver({ id: 3, n: 7 }, [{ type: 'stable', certificate }])
    driver.step({ type: 'start' })
    for (let i = 0; i < 3; i++) {
      driver.fire('status')
      driver.step({ type: 'transferFailed' })
    }
    expect(driver.of('transfer').map(({ replicas }) => replicas)).to.deep.equal([
      [4, 5, 0, 1, 2],
      [5, 0, 1, 2, 4],
    ])
  })

  it('ends the search for batches below, and for no other', () => {
    const driver = new Driver({ id: 3 })
    for (const from of [0, 1, 2]) driver.commit(from, 1n, a)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    for (const sequence of [4n, 5n]) for (const from of [0, 1, 2]) driver.commit(from, sequence, b)
    driver.step({ type: 'transferred', sequence: 4n, digest: stateDigest(4n) })
    const asked = only(driver.fire('fetch'), 'send').flatMap(({ message }) =>
      message.type === 'fetch-batch' ? [message.sequence] : [],
    )
    expect(asked).to.deep.equal([5n])
  })

  it('to another state than a quorum signed for stops the replica', () => {
    const driver = new Driver({ id: 3 })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    driver.step({ type: 'transferred', sequence: 4n, digest: 'ff' })
    expect(driver.of('fail').map(({ detail }) => detail)).to.deep.equal([
      'state transfer to 4 gave another digest than the others have there',
    ])
  })

  it('may lead further than it was asked to, and back to nowhere', () => {
    const driver = new Driver({ id: 3 })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    driver.step({ type: 'transferFailed' })
    driver.step({ type: 'transferred', sequence: 6n, digest: stateDigest(6n) })
    expect(driver.core.inspect()).to.include({ lastExecuted: 6n, failed: false })
    for (const sequence of [5n, 6n])
      expect(
        driver.step({ type: 'transferred', sequence, digest: stateDigest(sequence) }),
      ).to.deep.equal([])
    expect(driver.core.inspect()).to.include({ lastExecuted: 6n, failed: false })
  })

  it('to a number without a checkpoint signs none', () => {
    const driver = new Driver({ id: 3 })
    const effects = transfer(driver, 3n)
    expect(driver.core.inspect().lastExecuted).to.equal(3n)
    expect(broadcasts(effects, 'checkpoint')).to.deep.equal([])
  })

  it('that another one follows at once says nothing in between', () => {
    const driver = new Driver({ id: 3 })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    const between = driver.step({ type: 'transferred', sequence: 2n, digest: stateDigest(2n) })
    expect(broadcasts(between, 'status')).to.deep.equal([])
    const after = driver.step({ type: 'transferred', sequence: 4n, digest: stateDigest(4n) })
    expect(broadcasts(after, 'status')).to.have.length(1)
  })

  for (const [proposed, next] of [
    [2, 4n],
    [3, 4n],
    [4, 5n],
  ] as const) {
    it(`to 3 lets a primary that assigned ${proposed} numbers go on with ${next}`, () => {
      const driver = new Driver({ id: 0 })
      for (let i = 0; i < proposed; i++)
        driver.step({ type: 'propose', batch: batchOf(`request ${i}`) })
      transfer(driver, 3n)
      const [sent] = broadcasts(driver.step({ type: 'propose', batch: a }), 'pre-prepare')
      expect(sent?.sequence).to.equal(next)
    })
  }
})

describe('votes', () => {
  it('of one replica count as they were first given in a view, and as they are in its latest', () => {
    const driver = new Driver({ id: 1 })
    driver.prePrepare(1n, a)
    driver.prepare(2, 1n, b)
    expect(broadcasts(driver.prepare(2, 1n, a), 'commit')).to.deep.equal([])
    expect(broadcasts(driver.prepare(3, 1n, a), 'commit')).to.have.length(1)
    driver.commit(0, 1n, a, 7n)
    driver.commit(0, 1n, a)
    driver.commit(2, 1n, a)
    expect(executes(driver), 'of 0 in view 7').to.deep.equal([])
    driver.commit(3, 1n, a)
    expect(executes(driver)).to.deep.equal([1n])
  })

  it('tell whom to ask for a batch: those that committed it', () => {
    const driver = new Driver({ id: 6, n: 7 })
    driver.commit(5, 1n, b)
    for (const from of [0, 1, 2, 3, 4]) driver.commit(from, 1n, a)
    for (let i = 0; i < 7; i++) driver.fire('fetch')
    const asked = [0, 1, 2, 3, 4, 5].map((id) => sendsTo(driver.effects, id, 'fetch-batch').length)
    expect(asked.map((times) => times > 0)).to.deep.equal([true, true, true, true, true, false])
  })

  it('that a batch came for later leave it for others to fetch', () => {
    const driver = new Driver({ id: 3 })
    for (const from of [0, 1, 2]) driver.commit(from, 1n, a)
    driver.receive(0, { type: 'batch', batch: a })
    expect(has(driver, 1n)).to.equal(true)
  })

  it('are told to nobody by a replica that is alone', () => {
    const driver = new Driver({ id: 0, n: 1 })
    driver.step({ type: 'start' })
    driver.step({ type: 'propose', batch: a })
    expect(executes(driver)).to.deep.equal([1n])
    expect(driver.of('broadcast')).to.deep.equal([])
  })
})

describe('the batches that a replica claims under one number', () => {
  const digests = (slot: Slot): string[] => [...slot.prePrepared.keys()]

  it('are at most the limit: the one of the oldest view is forgotten', () => {
    const slot = new Slot(1n, 4)
    slot.prePrepare(5n, a, 2)
    slot.prePrepare(3n, b, 2)
    expect(digests(slot)).to.have.members([a.digest, b.digest])
    const c = batchOf('c')
    slot.prePrepare(7n, c, 2)
    expect(digests(slot)).to.have.members([a.digest, c.digest])
  })

  it('never lose the one that prepared', () => {
    const slot = new Slot(1n, 4)
    slot.prePrepare(3n, b, 2)
    slot.prepared = claim(1n, b, 3n)
    slot.prePrepare(5n, a, 2)
    const c = batchOf('c')
    slot.prePrepare(7n, c, 2)
    expect(digests(slot)).to.have.members([b.digest, c.digest])
    slot.prePrepare(8n, c, 2)
    expect(digests(slot), 'one that is there already').to.have.members([b.digest, c.digest])
  })
})

describe('timers', () => {
  it('that were stopped, or started anew, have ended for nobody', () => {
    const driver = new Driver({ id: 3 })
    const generations = (): number[] =>
      driver.of('startTimer').flatMap((t) => (t.name === 'newView' ? [t.generation] : []))
    const expire = (generation: number) =>
      driver.step({ type: 'timeout', name: 'newView', generation })
    driver.step({ type: 'suspect', view: 0n })
    for (const from of [0, 2]) driver.receive(from, viewChange(from, 1n))
    const [first = -1] = generations()
    for (const from of [0, 2]) driver.receive(from, viewChange(from, 5n))
    const [, second = -1] = generations()
    expect(expire(first)).to.deep.equal([])
    expect(driver.core.inspect().view).to.equal(5n)
    expire(second)
    expect(driver.core.inspect().view).to.equal(6n)
    expect(expire(second), 'twice').to.deep.equal([])
  })

  it('start at the quorum also for who was restarted out of its view', () => {
    const before = new Driver({ id: 3 })
    before.step({ type: 'suspect', view: 0n })
    const driver = before.restart(0n)
    driver.step({ type: 'start' })
    for (const from of [0, 2]) driver.receive(from, viewChange(from, 1n))
    expect(driver.of('startTimer').filter(({ name }) => name === 'newView')).to.have.length(1)
  })
})

describe('a replica that must stop', () => {
  it('says so once, whatever else is wrong', () => {
    const driver = new Driver({ id: 3 }, [], 2n)
    driver.prePrepare(3n, a)
    for (const from of [0, 1, 2]) driver.commit(from, 3n, a)
    const bad = [0, 1, 2].map((id) => checkpoint(id, 2n, 'ff'))
    const changes = [0, 1, 2].map((id) =>
      viewChange(id, 1n, { lowWatermark: 2n, stable: bad, prepared: [claim(3n, b)] }),
    )
    driver.receive(1, newView(1n, changes))
    driver.receive(0, { type: 'batch', batch: b })
    expect(driver.of('fail').map(({ detail }) => detail)).to.deep.equal([
      `own state at 2 is ${stateDigest(2n)}, a quorum signed for ff`,
    ])
  })
})
