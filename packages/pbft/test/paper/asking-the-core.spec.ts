import { expect } from 'chai'
import type { Status } from '../../src/core/messages.ts'
import {
  batchOf,
  certificate,
  checkpoint,
  claim,
  Driver,
  newView,
  viewChange,
  unheard,
} from '../support/cores.ts'

const a = batchOf('a')
const b = batchOf('b')

const stable = (driver: Driver, sequence: bigint): void => {
  for (const from of [0, 1, 2, 3].filter((id) => id !== driver.options.id))
    driver.receive(from, checkpoint(from, sequence))
}

const certified = (sequence: bigint) =>
  ({
    type: 'stable',
    certificate: { type: 'certificate', checkpoints: certificate(sequence) },
  }) as const

describe('what a replica says of itself', () => {
  it('is the highest number that it executed, saw a proposal for, or f + 1 have a checkpoint of', () => {
    const known = (driver: Driver): bigint => driver.core.inspect().highestKnown
    const driver = new Driver({ id: 1 }, [], 2n)
    expect(known(driver)).to.equal(2n)
    driver.receive(3, checkpoint(3, 4n))
    expect(known(driver), 'one may lie').to.equal(2n)
    driver.receive(2, checkpoint(2, 4n))
    expect(known(driver)).to.equal(4n)
    driver.prePrepare(6n, a)
    driver.prePrepare(5n, a)
    expect(known(driver)).to.equal(6n)
    driver.receive(3, checkpoint(3, 8n))
    driver.receive(2, checkpoint(2, 10n))
    expect(known(driver)).to.equal(8n)
  })

  it('is whether the others are ahead, and whether it fetches their state', () => {
    const driver = new Driver({ id: 1 })
    expect(driver.core.isBehind()).to.equal(false)
    stable(driver, 2n)
    expect(driver.core.isBehind()).to.equal(true)
    expect(driver.core.inspect().transferring).to.equal(false)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(4n) })
    expect(driver.core.inspect().transferring).to.equal(true)
    const level = new Driver({ id: 1 }, [certified(2n)], 2n)
    expect(level.core.isBehind()).to.equal(false)
  })

  it('is how far the others executed, by what they say or what is stable', () => {
    const driver = new Driver({ id: 1 })
    const say = (from: number, lastExecuted: bigint): void => {
      const status: Status = {
        ...{ type: 'status', view: 0n, active: true, lastExecuted, lowWatermark: 0n },
        ...{ viewChanges: [], slots: [], digests: [], query: 0n, reply: 0n },
        ...unheard,
      }
      driver.receive(from, status)
    }
    stable(driver, 2n)
    expect(driver.core.executedByOthers).to.equal(2n)
    for (const from of [2, 3]) say(from, 3n)
    expect(driver.core.executedByOthers).to.equal(3n)
    stable(driver, 4n)
    expect(driver.core.executedByOthers).to.equal(4n)
  })

  it('is its patience, doubled with each view after the first that brought nothing', () => {
    const driver = new Driver({ id: 3 })
    const factors = [1n, 2n, 3n].map((view) => {
      for (const from of [0, 1]) driver.receive(from, viewChange(from, view))
      return driver.core.timeoutFactor
    })
    expect(factors).to.deep.equal([1, 2, 4])
  })

  it('is whether a batch is missing', () => {
    const driver = new Driver({ id: 3 })
    expect(driver.core.wantsBatch()).to.equal(false)
    for (const from of [0, 1, 2]) driver.commit(from, 1n, a)
    expect(driver.core.wantsBatch()).to.equal(true)
    driver.receive(0, { type: 'batch', batch: a })
    expect(driver.core.wantsBatch()).to.equal(false)
  })
})

describe('a checkpoint is due', () => {
  const awaited = (driver: Driver, replica: number, sequence: bigint): boolean =>
    driver.core.awaitsCheckpoint({ type: 'checkpoint', sequence, digest: 'aa', replica })

  it('of each other replica, once and in order, at each multiple of K up to H', () => {
    const driver = new Driver({ id: 2 }, [certified(4n)], 4n)
    const due = (replica: number): bigint[] =>
      Array.from({ length: 16 }, (_, at) => BigInt(at)).filter((at) => awaited(driver, replica, at))
    driver.receive(1, checkpoint(1, 2n))
    driver.receive(3, checkpoint(3, 8n))
    expect(due(0), 'stable ones, too').to.deep.equal([2n, 4n, 6n, 8n, 10n, 12n])
    expect(due(1), 'after one that was stable').to.deep.equal([4n, 6n, 8n, 10n, 12n])
    expect(due(3)).to.deep.equal([10n, 12n])
    expect(due(2), 'its own').to.deep.equal([])
    driver.receive(3, checkpoint(3, 6n))
    expect(due(3), 'after one that came out of order').to.deep.equal([10n, 12n])
  })

  it('beyond H as well, as far as the others are ahead', () => {
    const driver = new Driver({ id: 1 })
    const top = (): bigint | undefined =>
      [8n, 10n, 12n, 108n, 110n].filter((at) => awaited(driver, 3, at)).at(-1)
    expect(top()).to.equal(8n)
    const status: Status = {
      ...{ type: 'status', view: 0n, active: true, lastExecuted: 100n, lowWatermark: 0n },
      ...{ viewChanges: [], slots: [], digests: [], query: 0n, reply: 0n },
      ...unheard,
    }
    driver.receive(2, status)
    expect(top(), 'one says so').to.equal(8n)
    driver.receive(3, status)
    expect(top()).to.equal(108n)
  })
})

describe('a pre-prepare is of use', () => {
  const wants = (driver: Driver, from: number, view: bigint, sequence: bigint): boolean =>
    driver.core.wantsPrePrepare(from, view, sequence)

  it('from the primary of this view, within the watermarks', () => {
    const driver = new Driver({ id: 2 }, [certified(2n)], 2n)
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 3].map((id) => viewChange(id, 1n)),
      ),
    )
    const judged = (
      [
        [1, 1n, 3n],
        [1, 1n, 10n],
        [1, 1n, 2n],
        [1, 1n, 11n],
        [0, 1n, 3n],
        [0, 0n, 3n],
        [2, 2n, 3n],
        [2, 2n, 1_000n],
        [1, 2n, 3n],
      ] as const
    ).map(([from, view, sequence]) => wants(driver, from, view, sequence))
    expect(judged).to.deep.equal([
      ...[true, true, false, false],
      ...[false, false],
      ...[false, false, false],
    ])
  })

  it('unless its number has a batch; votes for one are none', () => {
    const driver = new Driver({ id: 2 })
    driver.prePrepare(1n, a)
    driver.commit(3, 2n, a)
    expect([1n, 2n, 3n].map((at) => wants(driver, 0, 0n, at))).to.deep.equal([false, true, true])
  })

  it('in a view that has not begun, only once its new-view is here', () => {
    const driver = new Driver({ id: 2 })
    driver.step({ type: 'suspect', view: 0n })
    expect(wants(driver, 1, 1n, 1n)).to.equal(false)
    const prepared = [claim(1n, a)]
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 3].map((id) => viewChange(id, 1n, { prepared })),
      ),
    )
    expect(wants(driver, 1, 1n, 2n)).to.equal(true)
    driver.receive(0, { type: 'batch', batch: a })
    expect(wants(driver, 1, 1n, 2n)).to.equal(true)
  })
})

describe('a primary has room', () => {
  it('for two checkpoints at least, and for half the window when that is more', () => {
    const room = (logMultiplier: number): number =>
      new Driver({ id: 0, checkpointPeriod: 2, logMultiplier }).core.room()
    expect([2, 4, 6, 8].map(room)).to.deep.equal([4, 4, 6, 8])
    const slow = new Driver({ id: 0, checkpointPeriod: 3, logMultiplier: 2 })
    expect(slow.core.room()).to.equal(6)
  })

  it('less for each batch in flight, none beyond, and proposes nothing above the watermark', () => {
    const driver = new Driver({ id: 0 })
    const propose = (): number => driver.step({ type: 'propose', batch: a }).length
    propose()
    expect([driver.core.room(), driver.core.inFlight()]).to.deep.equal([3, 1])
    for (let i = 0; i < 7; i++) propose()
    expect([driver.core.room(), driver.core.inFlight()]).to.deep.equal([0, 8])
    expect(propose()).to.equal(0)
  })

  it('not when it is a backup, waits for its view, is behind its own log, or must stop', () => {
    expect(new Driver({ id: 1 }).core.room()).to.equal(0)
    const waiting = new Driver({ id: 1 })
    waiting.step({ type: 'suspect', view: 0n })
    expect(waiting.core.room()).to.equal(0)
    const behind = new Driver({ id: 0 })
    stable(behind, 2n)
    expect(behind.core.room()).to.equal(0)
    const failed = new Driver({ id: 0 }, [], 2n)
    for (const from of [1, 2, 3]) failed.receive(from, checkpoint(from, 2n, 'ff'))
    expect(failed.core.inspect().failed).to.equal(true)
    expect(failed.core.room()).to.equal(0)
  })

  for (const [proposed, next] of [
    [0, 3n],
    [1, 3n],
    [2, 3n],
    [3, 4n],
  ] as const) {
    it(`above what is stable: after ${proposed} proposals and a checkpoint at 2, at ${next}`, () => {
      const driver = new Driver({ id: 0 })
      for (let i = 0; i < proposed; i++)
        driver.step({ type: 'propose', batch: batchOf(`request ${i}`) })
      // The others went on without it, in view 1.
      for (const [sequence, batch] of [
        [1n, a],
        [2n, b],
      ] as const) {
        for (const from of [1, 2, 3]) driver.commit(from, sequence, batch, 1n)
        driver.receive(1, { type: 'batch', batch })
        driver.executed(sequence)
      }
      for (const from of [1, 2]) driver.receive(from, checkpoint(from, 2n))
      expect(driver.core.inspect().lowWatermark).to.equal(2n)
      driver.step({ type: 'propose', batch: batchOf('c') })
      const sent = driver.of('broadcast').map(({ message }) => message)
      const last = sent.filter((m) => m.type === 'pre-prepare').at(-1)
      expect(last?.sequence).to.equal(next)
    })
  }
})
