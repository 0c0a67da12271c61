import { expect } from 'chai'
import { NULL_DIGEST } from '../../src/core/messages.ts'
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
  stateDigest,
  viewChange,
} from '../support/cores.ts'

const a = batchOf('a')
const b = batchOf('b')

const refusals = (effects: readonly ReplicaEffect[]): string[] =>
  only(effects, 'reject').map(({ code, detail }) => `${code}: ${detail}`)

const fetches = (effects: readonly ReplicaEffect[]): [to: number, sequence: bigint][] =>
  only(effects, 'send').flatMap(({ to, message }): [number, bigint][] =>
    message.type === 'fetch-batch' ? [[to, message.sequence]] : [],
  )

const fetchTimers = (effects: readonly ReplicaEffect[]): number =>
  only(effects, 'startTimer').filter(({ name }) => name === 'fetch').length

/** Whether it gives the batch to who asks for it. */
const has = (driver: Driver, sequence: bigint, batch = a): boolean => {
  const ask = { type: 'fetch-batch', sequence, digest: batch.digest } as const
  return sendsTo(driver.receive(2, ask), 2, 'batch').length > 0
}

const stable = (driver: Driver, sequence: bigint): void => {
  for (const from of [0, 1, 2]) driver.receive(from, checkpoint(from, sequence))
}

describe('a pre-prepare', () => {
  it('that is refused is named, with its view', () => {
    const driver = new Driver({ id: 3 })
    driver.prePrepare(1n, a)
    const effects = [...driver.prePrepare(1n, b), ...driver.prePrepare(9n, a)]
    expect(refusals(effects)).to.deep.equal([
      'PBFT_CONFLICT: pre-prepare 1 of view 0',
      'PBFT_OUT_OF_WINDOW: pre-prepare 9 of view 0',
    ])
  })

  it('that comes twice says nothing the second time', () => {
    const driver = new Driver({ id: 3 })
    driver.prePrepare(1n, a)
    expect(driver.prePrepare(1n, a)).to.deep.equal([])
  })

  it('brings the batch that a quorum committed in a later view', () => {
    const driver = new Driver({ id: 3 })
    for (const from of [0, 1, 2]) driver.commit(from, 1n, a, 4n)
    expect(driver.of('execute')).to.deep.equal([])
    driver.prePrepare(1n, a)
    expect(driver.of('execute').map(({ batch }) => batch.digest)).to.deep.equal([a.digest])
  })
})

describe('a vote', () => {
  it('above the window is refused by name; what is stable or over is no fault', () => {
    const driver = new Driver({ id: 3 })
    expect(refusals(driver.prepare(2, 9n, a))).to.deep.equal(['PBFT_OUT_OF_WINDOW: prepare 9'])
    expect(refusals(driver.commit(2, 9n, a))).to.deep.equal(['PBFT_OUT_OF_WINDOW: commit 9'])
    expect(driver.commit(2, 8n, a)).to.deep.equal([])
    stable(driver, 2n)
    for (const sequence of [1n, 2n]) {
      expect(driver.prepare(2, sequence, a)).to.deep.equal([])
      expect(driver.commit(2, sequence, a)).to.deep.equal([])
    }
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 2].map((id) => viewChange(id, 1n)),
      ),
    )
    expect(driver.prepare(2, 11n, a, 0n), 'of a view that is over').to.deep.equal([])
    expect(refusals(driver.prepare(2, 11n, a, 1n))).to.have.length(1)
  })

  it('beyond the quorum brings no second commit, and nothing that is final moves', () => {
    const driver = new Driver({ id: 1, maxExecutionsInFlight: 1 })
    driver.prePrepare(1n, a)
    expect(broadcasts(driver.prepare(2, 1n, a), 'commit')).to.have.length(1)
    expect(driver.prepare(3, 1n, a)).to.deep.equal([])
    for (const from of [2, 3]) driver.commit(from, 1n, a)
    for (const from of [0, 2, 3]) expect(driver.commit(from, 1n, b, 2n)).to.deep.equal([])
    expect(driver.of('execute').map(({ batch }) => batch.digest)).to.deep.equal([a.digest])
  })

  it('of a quorum for a null request, in whatever view, needs no batch', () => {
    const driver = new Driver({ id: 3 })
    for (const from of [0, 1]) driver.commit(from, 1n, NULL_DIGEST, 4n)
    const effects = driver.commit(2, 1n, NULL_DIGEST, 4n)
    expect(only(effects, 'execute').map(({ batch }) => batch.requests)).to.deep.equal([[]])
    expect(fetches(effects)).to.deep.equal([])
  })

  it('for what a state transfer brought asks for no batch', () => {
    const driver = new Driver({ id: 3 })
    for (const from of [0, 1]) driver.commit(from, 4n, a)
    driver.step({ type: 'transferred', sequence: 4n, digest: stateDigest(4n) })
    expect(fetches(driver.commit(2, 4n, a))).to.deep.equal([])
    for (const from of [0, 1]) driver.commit(from, 5n, a)
    expect(fetches(driver.commit(2, 5n, a))).to.have.length(1)
  })
})

describe('a checkpoint', () => {
  it('that is stable already is no fault of who sends it, whatever it says', () => {
    const driver = new Driver({ id: 3 })
    stable(driver, 2n)
    for (const sequence of [1n, 2n])
      for (const digest of ['ee', 'ff'])
        expect(driver.receive(2, checkpoint(2, sequence, digest))).to.deep.equal([])
  })

  it('of its own is still told to the others when it is stable before it is signed', () => {
    const driver = new Driver({ id: 3 })
    for (const sequence of [1n, 2n]) {
      driver.prePrepare(sequence, a)
      for (const from of [0, 1, 2]) driver.commit(from, sequence, a)
    }
    stable(driver, 2n)
    driver.executed(1n)
    const effects = driver.executed(2n)
    expect(broadcasts(effects, 'checkpoint').map(({ sequence }) => sequence)).to.deep.equal([2n])
    expect(only(effects, 'persist')).to.deep.equal([])
  })

  it('that contradicts what a replica executes to stops it: before it signs, and after', () => {
    const late = new Driver({ id: 3 })
    for (const sequence of [1n, 2n]) {
      late.prePrepare(sequence, a)
      for (const from of [0, 1, 2]) late.commit(from, sequence, a)
    }
    stable(late, 2n)
    late.executed(1n)
    late.executed(2n, 'ff')
    expect(late.of('fail').map(({ detail }) => detail)).to.deep.equal([
      `own state at 2 is ff, a quorum signed for ${stateDigest(2n)}`,
    ])
    const unsigned = new Driver({ id: 3 }, [], 2n)
    for (const from of [0, 1, 2]) unsigned.receive(from, checkpoint(from, 2n, 'ff'))
    expect(unsigned.of('fail')).to.have.length(1)
    expect(unsigned.core.inspect().lowWatermark).to.equal(0n)
    expect(unsigned.of('persist')).to.deep.equal([])
  })

  it('is compared with the own one of the same number', () => {
    const driver = new Driver({ id: 3, checkpointPeriod: 2 })
    for (const sequence of [1n, 2n, 3n, 4n, 5n]) {
      driver.prePrepare(sequence, a)
      for (const from of [0, 1, 2]) driver.commit(from, sequence, a)
    }
    for (const sequence of [1n, 2n, 3n, 4n, 5n]) driver.executed(sequence)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    expect(driver.of('fail')).to.deep.equal([])
    expect(driver.core.inspect().lowWatermark).to.equal(4n)
  })
})

describe('a relayed certificate', () => {
  it('of nothing, or of what is stable already, says nothing', () => {
    const driver = new Driver({ id: 3 })
    stable(driver, 2n)
    for (const checkpoints of [
      [],
      certificate(2n),
      [checkpoint(0, 1n)],
      [0, 1, 2].map((id) => checkpoint(id, 2n, 'ff')),
    ])
      expect(driver.receive(0, { type: 'certificate', checkpoints })).to.deep.equal([])
  })
})

describe('a missing batch', () => {
  it('is asked for from one holder after the other, each replica beginning with another one', () => {
    const driver = new Driver({ id: 6, n: 7 })
    for (const from of [0, 1, 2, 3]) driver.commit(from, 1n, a)
    const asked = fetches(driver.commit(4, 1n, a))
    for (let i = 0; i < 4; i++) asked.push(...fetches(driver.fire('fetch')))
    expect(asked.map(([to]) => to)).to.deep.equal([2, 3, 4, 0, 1])
  })

  it('is asked for again at once when one more is known to hold it, and only then', () => {
    const driver = new Driver({ id: 6, n: 7 })
    for (const from of [0, 1, 2, 3, 4]) driver.commit(from, 1n, a)
    expect(fetches(driver.commit(4, 1n, a))).to.deep.equal([])
    const effects = driver.commit(5, 1n, a)
    expect(fetches(effects)).to.have.length(1)
    expect(fetchTimers(driver.effects), 'by one timer').to.equal(1)
    for (const from of [0, 1, 2, 3, 4]) driver.commit(from, 2n, b)
    expect(fetchTimers(driver.effects)).to.equal(1)
    expect(fetchTimers(driver.fire('fetch'))).to.equal(1)
  })

  it('is not asked for any more when its state came, and the timer ends', () => {
    const driver = new Driver({ id: 3 })
    for (const sequence of [1n, 2n]) for (const from of [0, 1, 2]) driver.commit(from, sequence, a)
    driver.step({ type: 'transferred', sequence: 2n, digest: stateDigest(2n) })
    expect(driver.fire('fetch')).to.deep.equal([])
  })

  it('of a view that another one took the place of is forgotten, one that was committed is not', () => {
    const driver = new Driver({ id: 3 })
    for (const from of [0, 1, 2]) driver.commit(from, 5n, b)
    const prepared = [claim(1n, a)]
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 2].map((id) => viewChange(id, 1n, { prepared })),
      ),
    )
    const sequences = (): bigint[] =>
      fetches(driver.fire('fetch'))
        .map(([, sequence]) => sequence)
        .sort()
    expect(sequences()).to.deep.equal([1n, 5n])
    const later = driver.receive(
      2,
      newView(
        2n,
        [0, 1, 2].map((id) => viewChange(id, 2n)),
      ),
    )
    expect(only(later, 'stopTimer').map(({ name }) => name)).to.not.include('fetch')
    expect(driver.core.inspect()).to.include({ view: 2n, active: true })
    expect(sequences()).to.deep.equal([5n])
  })

  it('that nobody misses any more stops the timer', () => {
    const driver = new Driver({ id: 3 })
    driver.commit(2, 1n, a)
    const prepared = [claim(1n, a)]
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 2].map((id) => viewChange(id, 1n, { prepared })),
      ),
    )
    const later = driver.receive(
      2,
      newView(
        2n,
        [0, 1, 2].map((id) => viewChange(id, 2n)),
      ),
    )
    expect(only(later, 'stopTimer').map(({ name }) => name)).to.include('fetch')
    expect(driver.core.wantsBatch()).to.equal(false)
  })

  it('that a number got under another digest is not the committed one', () => {
    const driver = new Driver({ id: 3 })
    const prepared = [claim(1n, a)]
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 2].map((id) => viewChange(id, 1n, { prepared })),
      ),
    )
    for (const from of [0, 1, 2]) driver.commit(from, 1n, b, 4n)
    expect(fetches(driver.fire('fetch'))).to.have.length(1)
    driver.receive(2, { type: 'batch', batch: b })
    expect(driver.of('execute').map(({ batch }) => batch.digest)).to.deep.equal([b.digest])
  })

  it('that nobody here has is answered with nothing, at no cost to who asks', () => {
    const driver = new Driver({ id: 1, maxFetchAnswers: 1 })
    driver.prePrepare(1n, a)
    for (let i = 0; i < 3; i++) {
      expect(has(driver, 1n, b)).to.equal(false)
      expect(has(driver, 7n)).to.equal(false)
    }
    expect([has(driver, 1n), has(driver, 1n)]).to.deep.equal([true, false])
    expect(refusals(driver.effects)).to.deep.equal(['PBFT_TOO_MANY_REQUESTS: fetch-batch'])
  })
})
