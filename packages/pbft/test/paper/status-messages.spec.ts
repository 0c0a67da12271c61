import { expect } from 'chai'
import { maxAsksAgain } from '../../src/core/allowance.ts'
import type { Batch, Message, Status } from '../../src/core/messages.ts'
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
  viewChange,
  unheard,
} from '../support/cores.ts'

const a = batchOf('a')
const b = batchOf('b')
const c = batchOf('c')

const nothing = { prePrepared: false, prepared: false, committed: false }

function statusOf(content: Partial<Status> = {}): Status {
  return {
    ...{ type: 'status', view: 0n, active: true, lastExecuted: 0n, lowWatermark: 0n },
    ...{ viewChanges: [], slots: [], digests: [], query: 0n, reply: 0n },
    ...unheard,
    ...content,
  }
}

/** What an answer holds: `prepare 1`, `new-view`. */
const kinds = (effects: readonly ReplicaEffect[]): string[] =>
  only(effects, 'send').map(({ message }) => kindOf(message))

function kindOf(message: Message): string {
  return 'sequence' in message ? `${message.type} ${message.sequence}` : message.type
}

const answer = (driver: Driver, content: Partial<Status> = {}, from = 3): string[] =>
  kinds(driver.receive(from, statusOf(content)))

/** Primary 0, which proposed these. */
function primary(batches: readonly Batch[], options = {}): Driver {
  const driver = new Driver({ id: 0, ...options })
  for (const batch of batches) driver.step({ type: 'propose', batch })
  return driver
}

function enter(driver: Driver, view: bigint): void {
  const changes = [0, 1, 2, 3]
    .filter((id) => id !== driver.options.id)
    .map((id) => viewChange(id, view))
  driver.receive(Number(view % 4n), newView(view, changes))
}

describe('a status message', () => {
  const toldBy = (driver: Driver): Status => broadcasts(driver.fire('status'), 'status')[0]!

  it('tells what is there of each batch above the last executed one', () => {
    const driver = new Driver({ id: 1 })
    driver.step({ type: 'start' })
    driver.prePrepare(1n, a)
    driver.prePrepare(2n, b)
    driver.prepare(2, 2n, b)
    driver.prePrepare(3n, c)
    for (const from of [0, 2, 3]) driver.commit(from, 3n, c)
    for (const from of [0, 2, 3]) driver.commit(from, 4n, a)
    driver.commit(2, 6n, a)
    const committed = { prePrepared: true, prepared: true, committed: true }
    expect(toldBy(driver).slots).to.deep.equal([
      { ...nothing, prePrepared: true },
      { ...nothing, prePrepared: true, prepared: true },
      committed,
      { ...nothing, committed: true },
      nothing,
      nothing,
    ])
    driver.step({ type: 'suspect', view: 0n })
    const decided = { ...nothing, committed: true }
    expect(toldBy(driver).slots, 'in a view that has not begun').to.deep.equal([
      ...[nothing, nothing, committed, decided, nothing, nothing],
    ])
  })

  it('is told at once by who took nothing in for a while, so often in an interval and no more', () => {
    const driver = new Driver({ id: 1 })
    driver.step({ type: 'start' })
    const told = (): number => broadcasts(driver.step({ type: 'resumed' }), 'status').length
    for (let i = 0; i < maxAsksAgain; i++) expect(told()).to.equal(1)
    expect(told()).to.equal(0)
    driver.fire('status')
    expect(told(), 'in the next interval').to.equal(1)
  })

  it('told as often as that is answered, wherever the interval of who answers begins', () => {
    const driver = new Driver({ id: 1 })
    driver.step({ type: 'start' })
    // All of one interval of the sender, with the one that ends it, and all of the next.
    for (let i = 0; i < 2 * (maxAsksAgain + 1); i++)
      expect(only(driver.receive(3, statusOf()), 'reject'), `${i}`).to.deep.equal([])
  })

  it('tells of two windows at most', () => {
    const driver = new Driver({ id: 1 })
    driver.step({ type: 'start' })
    driver.receive(0, { type: 'certificate', checkpoints: certificate(10n) })
    expect(toldBy(driver).slots).to.have.length(0)
    driver.commit(2, 12n, a)
    driver.commit(2, 11n, a)
    expect(toldBy(driver).slots).to.have.length(12)
    driver.commit(2, 16n, a)
    driver.commit(2, 17n, a)
    expect(toldBy(driver).slots).to.have.length(16)
  })

  it('names the replicas whose view-changes are there, while their view has not begun', () => {
    const driver = new Driver({ id: 1 })
    driver.step({ type: 'start' })
    driver.receive(3, viewChange(3, 1n))
    expect(toldBy(driver).viewChanges).to.deep.equal([])
    driver.step({ type: 'suspect', view: 0n })
    expect(toldBy(driver).viewChanges).to.deep.equal([1, 3])
  })

  it('with a number that cannot be reached is refused, and changes nothing', () => {
    const last = 1n << 62n
    for (const field of ['view', 'lastExecuted', 'lowWatermark'] as const) {
      const driver = primary([a])
      expect(answer(driver, { [field]: last + 1n })).to.deep.equal([])
      expect(driver.of('reject').map(({ code, detail }) => [code, detail])).to.deep.equal([
        ['PBFT_INVALID_STATUS', 'a number above 4611686018427387904'],
      ])
      answer(driver, { [field]: last })
      expect(driver.of('reject')).to.have.length(1)
    }
  })

  it('beyond those that are answered in an interval is refused by name', () => {
    const driver = primary([a])
    for (let i = 0; i < 9; i++) answer(driver)
    expect(driver.of('reject').map(({ code, detail }) => [code, detail])).to.deep.equal([
      ['PBFT_TOO_MANY_REQUESTS', 'status'],
    ])
  })

  it('counts as proof of what was executed once f + 1 replicas say so', () => {
    const driver = new Driver({ id: 0 })
    const proven = (from: number, lastExecuted: bigint): bigint => {
      answer(driver, { lastExecuted }, from)
      return driver.core.executedByOthers
    }
    expect(proven(1, 5n)).to.equal(0n)
    expect(proven(2, 3n)).to.equal(3n)
    expect(proven(3, 9n)).to.equal(5n)
    expect(proven(1, 1n), 'who said more before').to.equal(5n)
  })
})

describe('the answer to a status message', () => {
  it('of whoever waits for the view that this replica is in, or is in an earlier one, is its new-view', () => {
    const driver = new Driver({ id: 0 })
    enter(driver, 1n)
    expect(answer(driver, { view: 0n })).to.deep.equal(['new-view'])
    expect(answer(driver, { view: 1n, active: false })).to.deep.equal(['new-view'])
    expect(answer(driver, { view: 1n })).to.deep.equal([])
    expect(answer(driver, { view: 2n, active: false })).to.deep.equal([])
  })

  it('holds no new-view where there was none', () => {
    expect(answer(new Driver({ id: 0 }), { active: false })).to.deep.equal([])
  })

  it('of whoever lacks this replica’s view-change is that, and of nobody else', () => {
    const driver = new Driver({ id: 0 })
    driver.step({ type: 'suspect', view: 0n })
    expect(answer(driver, { view: 0n })).to.deep.equal(['view-change'])
    const waiting = { view: 1n, active: false }
    expect(answer(driver, { ...waiting, viewChanges: [1, 3] })).to.deep.equal(['view-change'])
    expect(answer(driver, { ...waiting, viewChanges: [0, 3] })).to.deep.equal([])
    expect(answer(driver, { view: 0n, viewChanges: [0] })).to.deep.equal(['view-change'])
    expect(answer(driver, { view: 2n, active: false })).to.deep.equal([])
  })

  it('holds no view-change that is not signed yet', () => {
    const driver = new Driver({ id: 0 })
    driver.core.step({ type: 'suspect', view: 0n })
    expect(answer(driver)).to.deep.equal([])
  })

  it('is the stable checkpoint, and the own ones above, of whoever lacks them and does not move', () => {
    const driver = new Driver({ id: 1 }, [], 4n)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    driver.step({ type: 'start' })
    expect(answer(driver)).to.deep.equal(['certificate', 'checkpoint 4'])
    expect(answer(driver)).to.deep.equal(['certificate', 'checkpoint 4'])
    expect(answer(driver, { lowWatermark: 2n }), 'it moved').to.deep.equal([])
    expect(answer(driver, { lowWatermark: 2n })).to.deep.equal(['checkpoint 4'])
    answer(driver, { lowWatermark: 4n })
    expect(answer(driver, { lowWatermark: 4n })).to.deep.equal([])
  })

  it('is what is lacking of each batch, by what the status says of it', () => {
    const driver = primary([a, b, c])
    driver.prepare(1, 3n, c)
    driver.prepare(2, 3n, c)
    const slots = [
      { ...nothing, prePrepared: true },
      nothing,
      { prePrepared: true, prepared: true, committed: false },
    ]
    expect(answer(driver, { slots })).to.deep.equal(['pre-prepare 2', 'commit 3'])
    const fewer = { lastExecuted: 1n, slots: slots.slice(0, 1) }
    expect(answer(driver, fewer, 2)).to.deep.equal(['pre-prepare 3', 'commit 3'])
    const all = { prePrepared: true, prepared: true, committed: true }
    expect(answer(driver, { slots: [all, all, all] })).to.deep.equal([])
  })

  it('is a backup’s prepares and commits, and no pre-prepare', () => {
    const driver = new Driver({ id: 1 })
    driver.prePrepare(1n, a)
    driver.prePrepare(2n, b)
    driver.prepare(2, 2n, b)
    expect(answer(driver)).to.deep.equal(['prepare 1', 'prepare 2', 'commit 2'])
    const prepared = { prePrepared: true, prepared: true, committed: false }
    expect(answer(driver, { slots: [prepared, prepared] })).to.deep.equal(['commit 2'])
  })

  it('is commits only to whoever is in another view, or in none', () => {
    const driver = primary([a, b])
    for (const from of [1, 2]) driver.prepare(from, 2n, b)
    expect(answer(driver, { view: 1n })).to.deep.equal(['commit 2'])
    expect(answer(driver, { active: false })).to.deep.equal(['commit 2'])
  })

  it('says nothing of votes without a batch, and proposes no null request again', () => {
    const driver = new Driver({ id: 1 })
    driver.step({ type: 'suspect', view: 0n })
    const prepared = [claim(2n, a)]
    for (const from of [2, 3]) driver.receive(from, viewChange(from, 1n, { prepared }))
    driver.receive(2, { type: 'batch', batch: a })
    driver.prepare(2, 3n, b, 1n)
    expect(driver.core.inspect()).to.include({ view: 1n, active: true })
    const sent = driver.receive(3, statusOf({ view: 1n }))
    expect(kinds(sent)).to.deep.equal(['pre-prepare 2'])
    driver.prepare(2, 1n, NULL_DIGEST, 1n)
    driver.prepare(3, 1n, NULL_DIGEST, 1n)
    expect(answer(driver, { view: 1n })).to.deep.equal(['commit 1', 'pre-prepare 2'])
  })

  it('begins with the lowest number, whatever came first, and ends at maxResendBytes', () => {
    const driver = new Driver({ id: 0, maxResendBytes: 2 })
    driver.prepare(2, 3n, c)
    for (const batch of [a, b, c]) driver.step({ type: 'propose', batch })
    expect(answer(driver)).to.deep.equal(['pre-prepare 1', 'pre-prepare 2'])
    expect(answer(driver), 'in this interval').to.deep.equal([])
    driver.step({ type: 'start' })
    driver.fire('status')
    expect(answer(driver)).to.deep.equal(['pre-prepare 1', 'pre-prepare 2'])
  })

  it('reaches two windows beyond what was executed', () => {
    const stable = { type: 'certificate', checkpoints: certificate(10n) } as const
    const driver = new Driver({ id: 1 }, [{ type: 'stable', certificate: stable }], 10n)
    for (const sequence of [15n, 16n, 17n]) driver.prePrepare(sequence, a)
    const sent = answer(driver, { lowWatermark: 10n })
    expect(sent).to.deep.equal(['prepare 15', 'prepare 16'])
  })
})

describe('a status interval without progress', () => {
  it('repeats no prepare of what was executed, and none where there is none', () => {
    const driver = new Driver({ id: 3, stuckIntervals: 1 })
    driver.step({ type: 'start' })
    for (const sequence of [2n, 3n, 4n]) driver.prePrepare(sequence, a)
    driver.prepare(2, 5n, b)
    driver.fire('status')
    const digests = ['33']
    for (const from of [1, 2]) driver.receive(from, statusOf({ lastExecuted: 3n, digests }))
    driver.fire('status')
    driver.step({ type: 'transferred', sequence: 3n, digest: '33' })
    driver.fire('status')
    const repeated = broadcasts(driver.fire('status'), 'prepare')
    expect(repeated.map(({ sequence }) => sequence)).to.deep.equal([4n])
  })
})

describe('checkpoints of others', () => {
  it('that contradict each other are refused by name', () => {
    const driver = new Driver({ id: 1 })
    driver.receive(2, checkpoint(2, 2n))
    const effects = [checkpoint(2, 2n, 'ff'), checkpoint(2, 3n), checkpoint(1, 2n)].flatMap(
      (message) => driver.receive(2, message),
    )
    expect(only(effects, 'reject').map(({ code, detail }) => [code, detail])).to.deep.equal([
      ['PBFT_CONFLICT', 'checkpoint 2 of replica 2'],
      ['PBFT_INVALID_CHECKPOINT', 'checkpoint 3 of replica 2'],
      ['PBFT_INVALID_CHECKPOINT', 'checkpoint 2 of replica 1'],
    ])
  })
})
