import { expect } from 'chai'
import type { NewView } from '../../src/core/messages.ts'
import type { ReplicaEffect } from '../../src/core/protocol.ts'
import { busyFactor, loneIntervals, maxLeap, maxLoneIntervals } from '../../src/core/lone.ts'
import { maxRestIntervals } from '../../src/core/lone.ts'
import { primaryOf } from '../../src/core/quorum.ts'
import { silentIntervals } from '../../src/core/silence.ts'
import {
  batchOf,
  broadcasts,
  claim,
  Driver,
  Group,
  newView,
  only,
  viewChange,
  unheard,
} from '../support/cores.ts'

const late = (driver: Driver, view = 0n, isLate = true): ReplicaEffect[] =>
  driver.step({ type: 'late', view, isLate })

const leaves = (effects: readonly ReplicaEffect[]): bigint[] =>
  broadcasts(effects, 'view-change').map(({ view }) => view)

const status = { type: 'status', view: 0n, active: true, lastExecuted: 0n } as const
const nothing = {
  ...{ lowWatermark: 0n, viewChanges: [], slots: [], digests: [], query: 0n, reply: 0n },
  ...unheard,
}

/** One status interval, in which the named replicas are heard. */
function interval(driver: Driver, ...heard: number[]): ReplicaEffect[] {
  const effects = driver.fire('status')
  for (const from of heard) effects.push(...driver.receive(from, { ...status, ...nothing }))
  return effects
}

/** Status intervals until whoever is not named is silent. */
function silence(driver: Driver, ...heard: number[]): void {
  for (let i = 0; i <= silentIntervals; i++) interval(driver, ...heard)
}

function started(id: number, options = {}): Driver {
  const driver = new Driver({ id, ...options })
  driver.step({ type: 'start' })
  return driver
}

describe('a lone suspicion', () => {
  it('is joined at once by who waits half its time already', () => {
    const driver = started(2)
    expect(leaves(late(driver))).to.deep.equal([])
    expect(leaves(driver.receive(3, viewChange(3, 1n)))).to.deep.equal([1n])
  })

  it('is joined by others as soon as half their time is over', () => {
    const driver = started(2)
    expect(leaves(driver.receive(3, viewChange(3, 1n)))).to.deep.equal([])
    expect(leaves(late(driver))).to.deep.equal([1n])
  })

  it('is not joined once what was late was executed', () => {
    const driver = started(2)
    late(driver)
    late(driver, 0n, false)
    expect(leaves(driver.receive(3, viewChange(3, 1n)))).to.deep.equal([])
  })

  it('is not joined by the primary, nor for what was late in another view', () => {
    const primary = started(0)
    primary.receive(3, viewChange(3, 1n))
    expect(leaves(late(primary))).to.deep.equal([])
    const backup = started(2)
    backup.receive(3, viewChange(3, 1n))
    expect(leaves(late(backup, 7n))).to.deep.equal([])
  })

  it(`is joined by who waits half its time once in ${maxRestIntervals} status intervals`, () => {
    const joinsAfter = (intervals: number): bigint[] => {
      const driver = started(2)
      driver.receive(3, viewChange(3, 1n))
      expect(leaves(late(driver))).to.deep.equal([1n])
      driver.receive(
        1,
        newView(
          1n,
          [0, 1, 3].map((id) => viewChange(id, 1n)),
        ),
      )
      expect(driver.core.inspect()).to.include({ view: 1n, active: true })
      for (let i = 0; i < intervals; i++) interval(driver, 0, 1)
      driver.receive(3, viewChange(3, 2n))
      return leaves(late(driver, 1n))
    }
    expect(joinsAfter(0)).to.deep.equal([])
    expect(joinsAfter(maxRestIntervals - 1)).to.deep.equal([])
    expect(joinsAfter(maxRestIntervals)).to.deep.equal([2n])
  })

  it('leads to the next view only, however far the liar claims to be', () => {
    const driver = started(2)
    driver.receive(3, viewChange(3, 1_000n))
    expect(leaves(late(driver))).to.deep.equal([1n])
  })

  it('with a dead backup no longer leaves the others waiting for a quorum', () => {
    const group = new Group(4)
    group.drop = ({ from, to }) => from === 1 || to === 1
    group.suspect(3)
    group.act(2, { type: 'late', view: 0n, isLate: true })
    for (const id of [0, 2, 3]) expect(group.at(id).core.inspect()).to.include({ view: 1n })
    for (const id of [0, 2, 3]) group.fire(id, 'newView')
    expect(group.at(2).core.inspect()).to.include({ view: 2n, active: true })
  })
})

describe('a replica that left the view alone', () => {
  const intervals = (driver: Driver, count: number): ReplicaEffect[] =>
    Array.from({ length: count }, () => interval(driver)).flat()

  /** After an interval in which something may have been executed. */
  const idle = (id: number): Driver => {
    const driver = started(id)
    interval(driver)
    return driver
  }
  const entered = (view: bigint, ...from: number[]): NewView =>
    newView(
      view,
      from.map((id) => viewChange(id, view)),
    )

  it('is followed after loneIntervals, by backups and the primary, to the view where it is', () => {
    for (const id of [0, 2]) {
      const driver = idle(id)
      driver.receive(3, viewChange(3, 9n))
      expect(leaves(intervals(driver, loneIntervals - 1))).to.deep.equal([])
      expect(leaves(interval(driver))).to.deep.equal([9n])
    }
  })

  it('is followed as far as a correct one goes, and to the next view if it is further', () => {
    const followed = (view: bigint): bigint[] => {
      const driver = idle(2)
      driver.receive(3, viewChange(3, view))
      return leaves(intervals(driver, loneIntervals))
    }
    expect(followed(1n + maxLeap)).to.deep.equal([1n + maxLeap])
    expect(followed(2n + maxLeap)).to.deep.equal([1n])
  })

  it('is gone to the view after its own, where another is the primary: it follows, if it is correct', () => {
    const follows = idle(2)
    follows.receive(3, viewChange(3, 7n))
    expect(leaves(intervals(follows, loneIntervals))).to.deep.equal([8n])
    const waits = started(2)
    waits.receive(3, viewChange(3, 7n))
    waits.step({ type: 'suspect', view: 0n })
    waits.receive(0, viewChange(0, 1n))
    expect(leaves(waits.fire('newView'))).to.deep.equal([8n])
    const alone = started(3)
    alone.step({ type: 'suspect', view: 0n })
    for (const id of [0, 1]) alone.receive(id, viewChange(id, 4n))
    expect(alone.core.inspect()).to.include({ view: 4n })
  })

  it('is followed to the nearest view, when two are away', () => {
    for (const views of [
      [5n, 9n],
      [9n, 5n],
    ] as const) {
      const driver = started(2, { n: 7 })
      interval(driver)
      for (const [at, view] of views.entries()) driver.receive(at, viewChange(at, view))
      expect(leaves(intervals(driver, loneIntervals))).to.deep.equal([5n])
    }
  })

  it('is gone to, the nearest of two and not beyond the next view, when one did not begin', () => {
    for (const [first, second, expected] of [
      [9n, 5n, 5n],
      [5n, 9n, 5n],
      [9n, 2n, 2n],
    ] as const) {
      const driver = started(3, { n: 7 })
      driver.step({ type: 'suspect', view: 0n })
      for (const id of [0, 1]) driver.receive(id, viewChange(id, 1n))
      driver.receive(4, viewChange(4, first))
      driver.receive(6, viewChange(6, second))
      expect(leaves(driver.fire('newView')), `${first} and ${second}`).to.deep.equal([expected])
    }
  })

  it('is gone to when no quorum waits for the view that did not begin', () => {
    const after = (view: bigint, ...here: number[]): bigint[] => {
      const driver = started(2)
      driver.receive(3, viewChange(3, view))
      driver.step({ type: 'suspect', view: 0n })
      for (const id of here) driver.receive(id, viewChange(id, 1n))
      return leaves(driver.fire('newView'))
    }
    expect(after(9n, 0)).to.deep.equal([9n])
    expect(after(2n + maxLeap, 0)).to.deep.equal([2n + maxLeap])
    expect(after(3n + maxLeap, 0), 'nobody correct').to.deep.equal([2n])
    expect(after(9n, 0, 1), 'a quorum was there').to.deep.equal([2n])
  })

  it('is not followed by who has left the view himself, and waits for the next one', () => {
    const driver = started(2)
    driver.receive(3, viewChange(3, 9n))
    driver.step({ type: 'suspect', view: 0n })
    expect(leaves(intervals(driver, 2 * loneIntervals))).to.deep.equal([])
  })

  it('is not followed once the others are where it is', () => {
    const driver = idle(2)
    driver.receive(3, viewChange(3, 1n))
    intervals(driver, loneIntervals - 1)
    driver.receive(1, entered(1n, 0, 1, 3))
    expect(leaves(intervals(driver, loneIntervals))).to.deep.equal([])
  })

  it('is followed later each time, up to maxLoneIntervals, and lengthens no time-out', () => {
    const driver = idle(2)
    const patience: number[] = []
    for (const view of [1n, 2n, 4n, 5n, 6n, 8n, 9n, 10n, 12n]) {
      driver.receive(3, viewChange(3, view))
      let passed = 1
      while (passed < 1_000 && leaves(interval(driver)).length === 0) passed++
      patience.push(passed)
      expect(driver.core.inspect()).to.include({ view, timeoutFactor: 1 })
      driver.receive(primaryOf(view, 4), entered(view, 0, 2, 3))
    }
    expect(patience).to.deep.equal([4, 8, 16, 32, 64, 128, 256, maxLoneIntervals, maxLoneIntervals])
  })

  it('lengthens no time-out either of those that follow because another did', () => {
    const driver = idle(2)
    driver.receive(3, viewChange(3, 1n))
    intervals(driver, loneIntervals - 1)
    expect(leaves(driver.receive(0, viewChange(0, 1n)))).to.deep.equal([1n])
    driver.receive(1, entered(1n, 0, 2, 3))
    driver.step({ type: 'suspect', view: 1n })
    expect(driver.core.inspect(), 'the first that counts').to.include({ timeoutFactor: 1 })
  })

  it('is followed busyFactor times later while something is executed', () => {
    const driver = started(2)
    driver.receive(3, viewChange(3, 1n))
    const last = BigInt(busyFactor * loneIntervals)
    for (let sequence = 1n; sequence <= last; sequence++) {
      const batch = batchOf(String(sequence))
      driver.receive(0, { type: 'pre-prepare', view: 0n, sequence, batch })
      for (const from of [0, 1]) driver.commit(from, sequence, batch)
      driver.receive(1, { type: 'prepare', ...claim(sequence, batch) })
      driver.executed(sequence)
      expect(leaves(interval(driver))).to.deep.equal(sequence < last ? [] : [1n])
    }
  })

  it('takes part again: nobody else need fail for it', () => {
    const group = new Group(4)
    group.suspect(3)
    expect(group.at(3).core.inspect()).to.include({ active: false })
    for (let i = 0; i <= loneIntervals; i++) for (const id of [0, 1, 2, 3]) group.fire(id, 'status')
    for (const id of [0, 1, 2, 3])
      expect(group.at(id).core.inspect()).to.include({ view: 1n, active: true, timeoutFactor: 1 })
  })
})

describe('a primary that is out of reach', () => {
  it('is given up at half time, by who hears a quorum and not it', () => {
    const driver = started(3)
    silence(driver, 1, 2)
    expect(leaves(late(driver))).to.deep.equal([1n])
  })

  it('is given up when it becomes silent while a request is late', () => {
    const driver = started(3)
    late(driver)
    const effects: ReplicaEffect[] = []
    for (let i = 0; i < silentIntervals; i++) effects.push(...interval(driver, 1, 2))
    expect(leaves(effects), 'not yet silent').to.deep.equal([])
    expect(leaves(interval(driver, 1, 2))).to.deep.equal([1n])
  })

  it('is not given up while it is heard, or by who hears no quorum', () => {
    const hearing = started(3)
    silence(hearing, 0, 1, 2)
    expect(leaves(late(hearing))).to.deep.equal([])
    const cutOff = started(3)
    silence(cutOff, 1)
    expect(leaves(late(cutOff))).to.deep.equal([])
  })

  it('is not given up at the first words of others to who was cut off itself', () => {
    const driver = started(3)
    silence(driver)
    late(driver)
    for (const from of [1, 2, 0])
      expect(leaves(driver.receive(from, { ...status, ...nothing })), `${from}`).to.deep.equal([])
    expect(leaves(interval(driver))).to.deep.equal([])
  })

  const awaiting = (...heard: number[]): Driver => {
    const driver = started(3, { viewChangeTimeoutMs: 5_000, maxTimeoutMs: 50_000 })
    silence(driver, ...heard)
    driver.step({ type: 'suspect', view: 0n })
    for (const from of [0, 2]) driver.receive(from, viewChange(from, 1n))
    return driver
  }
  const newViewTimers = (effects: readonly ReplicaEffect[]): number[] =>
    only(effects, 'startTimer').flatMap((t) => (t.name === 'newView' ? [t.afterMs] : []))

  it('gets one status interval for its new view', () => {
    expect(newViewTimers(awaiting(0, 2).effects)).to.deep.equal([1_000])
    expect(newViewTimers(awaiting(0, 1, 2).effects), 'one that is heard').to.deep.equal([5_000])
  })

  it('gets all the time when it is heard again meanwhile', () => {
    const driver = awaiting(0, 2)
    expect(newViewTimers(driver.receive(1, { ...status, ...nothing }))).to.deep.equal([5_000])
    expect(newViewTimers(driver.receive(1, { ...status, ...nothing })), 'once').to.deep.equal([])
  })

  it('gets no more time once it becomes silent while it is waited for', () => {
    const driver = awaiting(0, 1, 2)
    const effects: ReplicaEffect[] = []
    for (let i = 0; i < silentIntervals; i++) effects.push(...interval(driver, 0, 2))
    expect(leaves(effects), 'not yet silent').to.deep.equal([])
    expect(leaves(interval(driver, 0, 2))).to.deep.equal([2n])
  })

  it('gets a whole interval at least, whenever it becomes silent', () => {
    const driver = started(3, { viewChangeTimeoutMs: 5_000, maxTimeoutMs: 50_000 })
    for (let i = 0; i < silentIntervals; i++) interval(driver, 0, 2)
    driver.step({ type: 'suspect', view: 0n })
    for (const from of [0, 2]) driver.receive(from, viewChange(from, 1n))
    expect(leaves(interval(driver, 0, 2))).to.deep.equal([])
    expect(leaves(interval(driver, 0, 2))).to.deep.equal([2n])
  })

  it('gets no more time for what another silent replica says', () => {
    const driver = new Driver({ id: 6, n: 7, viewChangeTimeoutMs: 5_000, maxTimeoutMs: 50_000 })
    driver.step({ type: 'start' })
    silence(driver, 0, 3, 4, 5)
    driver.step({ type: 'suspect', view: 0n })
    for (const from of [0, 3, 4, 5]) driver.receive(from, viewChange(from, 1n))
    expect(newViewTimers(driver.effects)).to.deep.equal([1_000])
    expect(newViewTimers(driver.receive(2, { ...status, ...nothing }))).to.deep.equal([])
    expect(newViewTimers(driver.receive(1, { ...status, ...nothing }))).to.deep.equal([5_000])
  })

  it('is not waited for any more when somebody else has shown its new view', () => {
    const driver = awaiting(0, 2)
    const changes = [0, 2, 3].map((id) => viewChange(id, 1n))
    driver.receive(0, newView(1n, changes))
    expect(driver.core.inspect()).to.include({ view: 1n, active: true })
    expect(newViewTimers(driver.receive(1, { ...status, ...nothing }))).to.deep.equal([])
  })

  it('is never oneself: who is to begin the next view has all the time for it', () => {
    const driver = started(1, { viewChangeTimeoutMs: 5_000, maxTimeoutMs: 50_000 })
    silence(driver, 0, 2, 3)
    driver.step({ type: 'suspect', view: 0n })
    for (const from of [2, 3]) driver.receive(from, viewChange(from, 1n))
    expect(newViewTimers(driver.effects)).to.deep.equal([5_000])
  })
})
