import { expect } from 'chai'
import type { Status } from '../../src/core/messages.ts'
import { ReplicaCore } from '../../src/core/replica-core.ts'
import type { JournalRecord } from '../../src/core/protocol.ts'
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

const stable = (sequence: bigint): JournalRecord => ({
  type: 'stable',
  certificate: { type: 'certificate', checkpoints: certificate(sequence) },
})
const prePrepared = (sequence: bigint, batch = a, view = 0n): JournalRecord => ({
  type: 'pre-prepared',
  view,
  sequence,
  batch,
})
const began = (view: bigint, ...batches: (typeof a)[]): JournalRecord => {
  const prepared = batches.map((batch, at) => claim(BigInt(at) + 1n, batch))
  const changes = [0, 1, 2].map((id) => viewChange(id, view, { prepared }))
  return { type: 'new-view', newView: newView(view, changes) }
}
const left = (id: number, view: bigint): JournalRecord => ({
  type: 'view-change',
  viewChange: viewChange(id, view),
})

const types = (driver: Driver): string[] => driver.core.durableRecords().map(({ type }) => type)

/** What it says again to replica 3, which has nothing. */
function repeated(driver: Driver, view = 0n): string[] {
  const status: Status = {
    ...{ type: 'status', view, active: true, lastExecuted: 0n, lowWatermark: 0n },
    ...{ viewChanges: [], slots: [], digests: [], query: 0n, reply: 0n },
    ...unheard,
  }
  return only(driver.receive(3, status), 'send').map(({ message }) =>
    'sequence' in message ? `${message.type} ${message.sequence}` : message.type,
  )
}

describe('a restarted replica', () => {
  it('tells its owner which batches have a number in its view', () => {
    const journal = [prePrepared(1n), prePrepared(2n, b), began(1n, a), prePrepared(3n, c, 1n)]
    const driver = new Driver({ id: 2 }, journal)
    const started = only(driver.step({ type: 'start' }), 'accepted')
    expect(started.map(({ sequence, batch }) => [sequence, batch.digest])).to.deep.equal([
      [1n, a.digest],
      [3n, c.digest],
    ])
  })

  it('out of its view has no batches in it, though a crash left some', () => {
    const driver = new Driver({ id: 2 }, [prePrepared(1n, a, 1n), left(2, 1n)])
    expect(only(driver.step({ type: 'start' }), 'accepted')).to.deep.equal([])
    expect(broadcasts(driver.fire('status'), 'status')[0]?.slots[0]?.prePrepared).to.equal(false)
  })

  it('says again what it prepared in its view, all that this carried over included', () => {
    const journal = [prePrepared(1n), prePrepared(2n, b), began(1n, a, b)]
    expect(repeated(new Driver({ id: 2 }, journal), 1n)).to.deep.equal(['prepare 1', 'prepare 2'])
  })

  it('counts the commit that it had given', () => {
    const before = new Driver({ id: 1 })
    before.prePrepare(1n, a)
    before.prepare(2, 1n, a)
    const driver = before.restart(0n)
    driver.step({ type: 'start' })
    for (const from of [2, 3]) driver.commit(from, 1n, a)
    expect(driver.of('execute').map(({ sequence }) => sequence)).to.deep.equal([1n])
  })

  it('knows how far it executed, also of a batch that it had to fetch, which is in no other record', () => {
    const before = new Driver({ id: 3 })
    for (const from of [0, 1, 2]) before.commit(from, 1n, a)
    const batch = { type: 'batch', batch: a } as const
    const effects = before.core.step({ type: 'message', from: 0, message: batch })
    expect(effects.map(({ type }) => type).slice(0, 2)).to.deep.equal(['persist', 'execute'])
    const records = only(effects, 'persist').map(({ record }) => record)
    expect(new Driver({ id: 3 }, records).core.inspect().accepted).to.equal(1n)
    const rewritten = new Driver({ id: 3 }, [...before.core.durableRecords()])
    expect(rewritten.core.inspect().accepted).to.equal(1n)
    expect(new Driver({ id: 3 }, [prePrepared(2n)]).core.inspect().accepted).to.equal(2n)
  })

  it('as primary goes on above all that it assigned in its view, in whatever order it was written', () => {
    const next = (journal: JournalRecord[], executed = 0n, id = 0): bigint => {
      const { core } = new Driver({ id }, journal, executed)
      return BigInt(core.inFlight()) + executed + 1n
    }
    expect(next([])).to.equal(1n)
    expect(next([], 3n)).to.equal(4n)
    expect(next([stable(4n)], 3n), 'behind its checkpoint').to.equal(5n)
    expect(next([stable(4n)], 5n)).to.equal(6n)
    expect(next([prePrepared(3n), prePrepared(1n, b)])).to.equal(4n)
    expect(next([prePrepared(3n), prePrepared(1n, b)], 3n)).to.equal(4n)
    expect(next([prePrepared(3n), began(1n)], 0n, 1), 'of an earlier view').to.equal(1n)
    expect(next([prePrepared(3n), prePrepared(1n, b), began(1n, b)], 0n, 1)).to.equal(2n)
  })

  it('has nothing of what became stable, and all that did not', () => {
    const journal = [1n, 2n, 3n].map((sequence) => prePrepared(sequence))
    const driver = new Driver({ id: 2 }, [...journal, stable(2n)], 2n)
    const rest = driver.core.durableRecords().slice(1)
    expect(rest).to.deep.equal([prePrepared(3n)])
    const ask = (sequence: bigint) =>
      driver.receive(1, { type: 'fetch-batch', sequence, digest: a.digest })
    expect([1n, 2n, 3n].map((sequence) => ask(sequence).length)).to.deep.equal([0, 0, 1])
  })

  it('overlooks records of what is stable, which a rewritten journal does not hold', () => {
    const old: JournalRecord[] = [
      prePrepared(1n),
      { type: 'prepared', view: 0n, sequence: 1n, digest: a.digest },
      began(1n, a, b, c),
    ]
    const driver = new Driver({ id: 2 }, [stable(2n), prePrepared(3n, c), ...old], 2n)
    driver.step({ type: 'start' })
    expect(driver.core.inspect()).to.include({ view: 1n, active: true, lowWatermark: 2n })
    expect(types(driver)).to.deep.equal(['stable', 'pre-prepared', 'new-view'])
  })

  it('overlooks a null request that is stable, which its view carried over', () => {
    const prepared = [claim(3n, c)]
    const changes = [0, 1, 2].map((id) => viewChange(id, 1n, { prepared }))
    const entered: JournalRecord = { type: 'new-view', newView: newView(1n, changes) }
    const driver = new Driver({ id: 2 }, [stable(2n), prePrepared(3n, c), entered], 2n)
    driver.step({ type: 'start' })
    expect(driver.of('accepted').map(({ sequence }) => sequence)).to.deep.equal([3n])
  })

  it('signs the checkpoint that it is at once, and anew only where it has none', () => {
    const signs = (executed: bigint, ...own: bigint[]): bigint[] => {
      const journal = own.map((sequence): JournalRecord => ({
        type: 'checkpoint',
        checkpoint: checkpoint(1, sequence),
      }))
      const { core } = new Driver({ id: 1 }, journal, executed)
      return only(core.step({ type: 'start' }), 'sign').flatMap(({ statement }) =>
        statement.type === 'checkpoint' ? [statement.sequence] : [],
      )
    }
    expect(signs(0n)).to.deep.equal([])
    expect(signs(2n)).to.deep.equal([2n])
    expect(signs(2n, 2n)).to.deep.equal([])
    expect(signs(4n, 2n)).to.deep.equal([4n])
    expect(signs(3n)).to.deep.equal([])
  })

  it('that is alone and has its journal signs for no other number', () => {
    const { core } = new Driver({ id: 0, n: 1 }, [], 3n)
    expect(only(core.step({ type: 'start' }), 'sign')).to.deep.equal([])
  })

  it('that is alone commits what it had proposed', () => {
    const driver = new Driver({ id: 0, n: 1 }, [prePrepared(1n)])
    driver.step({ type: 'start' })
    expect(driver.of('execute').map(({ sequence }) => sequence)).to.deep.equal([1n])
  })
})

describe('a rewritten journal', () => {
  it('holds nothing at or below the stable checkpoint, though it waits for execution', () => {
    const driver = new Driver({ id: 2, maxExecutionsInFlight: 1 })
    for (const sequence of [1n, 2n, 3n]) driver.prePrepare(sequence, a)
    for (const sequence of [1n, 2n]) for (const from of [0, 1, 3]) driver.commit(from, sequence, a)
    driver.receive(0, { type: 'certificate', checkpoints: certificate(2n) })
    expect(driver.core.durableRecords().slice(1, -1)).to.deep.equal([prePrepared(3n)])
  })

  it('of a replica that lost it keeps the view that it was in, and needs none of its batches', () => {
    const journal = [prePrepared(1n), began(1n, a), left(3, 2n)]
    const executed = { sequence: 0n, digest: '' }
    const core = new ReplicaCore(new Driver({ id: 3 }).options, journal, executed, false)
    core.step({ type: 'start', query: 7n })
    expect(core.inspect()).to.include({ view: 1n, active: true, isVoting: false })
  })

  it('asks nobody for what nobody else has', () => {
    const options = new Driver({ id: 2, n: 3 }).options
    const core = new ReplicaCore(options, [], { sequence: 0n, digest: '' }, false)
    core.step({ type: 'start', query: 7n })
    const prepared = [claim(1n, a)]
    const changes = [viewChange(1, 1n), viewChange(2, 1n, { prepared })]
    const effects = core.step({ type: 'message', from: 1, message: newView(1n, changes) })
    expect(only(effects, 'send')).to.deep.equal([])
    expect(core.wantsBatch()).to.equal(true)
  })

  it('lets a replica that lost it ask the others, and not itself', () => {
    const executed = { sequence: 0n, digest: '' }
    const core = new ReplicaCore(new Driver({ id: 3 }).options, [], executed, false)
    core.step({ type: 'start', query: 7n })
    const prepared = [claim(1n, a)]
    const changes = [0, 1, 3].map((id) => viewChange(id, 1n, { prepared }))
    const effects = [core.step({ type: 'message', from: 1, message: newView(1n, changes) })].flat()
    for (let generation = 1; generation <= 3; generation++)
      effects.push(...core.step({ type: 'timeout', name: 'fetch', generation }))
    expect(new Set(only(effects, 'send').map(({ to }) => to))).to.deep.equal(new Set([0, 1]))
  })
})

describe('a replica whose memory is whole', () => {
  it('says nothing about its votes, at the start and in the next view', () => {
    const driver = new Driver({ id: 2 })
    driver.step({ type: 'start' })
    driver.step({ type: 'suspect', view: 0n })
    driver.receive(
      1,
      newView(
        1n,
        [0, 1, 3].map((id) => viewChange(id, 1n)),
      ),
    )
    expect(driver.of('voting')).to.deep.equal([])
    const said = driver.journal.map(({ type }) => type).filter((type) => type !== 'heard')
    expect(said).to.deep.equal(['view-change', 'new-view'])
  })

  it('answers who asks with the view that it is in or waits for', () => {
    const driver = new Driver({ id: 2 })
    driver.step({ type: 'suspect', view: 0n })
    const ask: Status = {
      ...{ type: 'status', view: 1n, active: false, lastExecuted: 0n, lowWatermark: 0n },
      ...{ viewChanges: [2], slots: [], digests: [], query: 9n, reply: 0n },
      ...unheard,
    }
    const [answer] = only(driver.receive(3, ask), 'send').map(({ message }) => message)
    expect(answer).to.include({ type: 'status', view: 1n, reply: 9n })
  })
})
