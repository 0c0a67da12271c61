import { expect } from 'chai'
import type { Status } from '../../src/core/messages.ts'
import { ReplicaCore } from '../../src/core/replica-core.ts'
import type { JournalRecord, ReplicaEffect } from '../../src/core/protocol.ts'
import { maxLeap } from '../../src/core/lone.ts'
import { Encoder } from '../../src/wire/encoder.ts'
import { decodeRecord } from '../../src/wire/record-codec.ts'
import {
  batchOf,
  broadcasts,
  certificate,
  claim,
  Driver,
  newView,
  only,
  rejectCodes,
  sendsTo,
  stateDigest,
  viewChange,
  unheard,
} from '../support/cores.ts'

const a = batchOf('a')
const query = 77n

function answer(content: Partial<Status> = {}): Status {
  return {
    ...{ type: 'status', view: 0n, active: true, lastExecuted: 0n, lowWatermark: 0n },
    ...{ viewChanges: [], slots: [], digests: [], query: 0n, reply: query },
    ...unheard,
    ...content,
  }
}

/** Replica 3 of four, K = 2 and L = 8, which executed 3 and lost its journal. Signs when asked. */
class Forgetful extends Driver {
  constructor(journal: readonly JournalRecord[] = [], isComplete = false) {
    super({ id: 3 }, journal, 3n)
    const executed = { sequence: 3n, digest: stateDigest(3n) }
    Object.assign(this, { core: new ReplicaCore(this.options, journal, executed, isComplete) })
    this.step({ type: 'start', query })
  }

  /** The others say that they executed so far, and are in these views. */
  hearAll(executed: readonly bigint[], views: readonly bigint[] = [0n, 0n, 0n]): ReplicaEffect[] {
    return executed.flatMap((lastExecuted, from) =>
      this.receive(from, answer({ lastExecuted, view: views[from]! })),
    )
  }

  /** The last thing it told about itself. */
  get said() {
    const { isVoting, until, votesFrom } = this.of('voting').at(-1)!
    return { isVoting, until, votesFrom }
  }
}

/** Everything by which a replica commits itself. */
const commitments = (effects: readonly ReplicaEffect[]): string[] =>
  only(effects, 'broadcast')
    .map(({ message }) => message.type)
    .filter((type) => type !== 'status')

/** The votes among what it tells, be it all or one. */
const votes = (effects: readonly ReplicaEffect[]): string[] =>
  [...only(effects, 'broadcast'), ...only(effects, 'send')]
    .map(({ message }) => message.type)
    .filter((type) => /^(pre-prepare|prepare|commit)$/.test(type))

describe('a replica that lost its journal (cf. TOCS ’02 §4)', () => {
  it('votes for nothing, and executes what the others commit', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    const effects = [
      ...driver.prePrepare(4n, a),
      ...[1, 2].flatMap((from) => driver.prepare(from, 4n, a)),
      ...driver.step({ type: 'suspect', view: 0n }),
      ...driver.step({ type: 'late', view: 0n, isLate: true }),
      ...[0, 1, 2].flatMap((from) => driver.commit(from, 4n, a)),
      ...driver.executed(4n),
      ...[1, 2].flatMap((from) => driver.receive(from, viewChange(from, 1n))),
    ]
    expect(commitments(effects)).to.deep.equal([])
    expect(only(effects, 'execute').map(({ sequence }) => sequence)).to.deep.equal([4n])
    expect(driver.core.inspect()).to.include({ view: 0n, active: true, isVoting: false })
  })

  it('as primary proposes nothing, and begins no view', () => {
    const driver = new Forgetful()
    const effects = driver.receive(
      0,
      newView(
        3n,
        [0, 1, 2].map((id) => viewChange(id, 3n)),
      ),
    )
    expect(driver.core.inspect()).to.include({ view: 3n, active: true })
    expect(driver.core.room()).to.equal(0)
    for (const id of [0, 1, 2]) effects.push(...driver.receive(id, viewChange(id, 7n)))
    expect(commitments(effects)).to.not.include('view-change')
    expect(driver.core.inspect().view).to.equal(3n)
  })

  it('asks the others, and does not vote before a quorum of them answered what it asked', () => {
    const driver = new Forgetful()
    expect(broadcasts(driver.effects, 'status').map((s) => s.query)).to.deep.equal([query])
    for (const from of [0, 1]) driver.receive(from, answer())
    driver.receive(2, answer({ reply: 0n }))
    driver.receive(2, answer({ reply: query + 1n }))
    driver.receive(1, answer({ lastExecuted: 1n }))
    expect(driver.said).to.deep.equal({ isVoting: false, until: undefined, votesFrom: 0n })
    driver.receive(2, answer())
    expect(driver.said).to.deep.equal({ isVoting: false, until: 8n, votesFrom: 1n })
  })

  it('votes above a window beyond what the most advanced of a quorum executed, in later views than theirs', () => {
    const driver = new Forgetful()
    driver.hearAll([5n, 4n, 2n], [0n, 2n, 1n])
    expect(driver.said).to.deep.equal({ isVoting: false, until: 13n, votesFrom: 3n })
  })

  it('is not put off by f liars among more than a quorum of others', () => {
    const driver = new Driver({ id: 6, n: 7 })
    const core = new ReplicaCore(driver.options, [], { sequence: 3n, digest: 'aa' }, false)
    core.step({ type: 'start', query })
    const far = 1n << 60n
    const effects = [0, 1, 2, 3, 4, 5].flatMap((from) => {
      const message = answer(from === 0 ? { lastExecuted: far, view: far } : { lastExecuted: 3n })
      return core.step({ type: 'message', from, message })
    })
    expect(only(effects, 'voting').at(-1)).to.include({ until: 11n, votesFrom: 1n })
  })

  for (const what of ['view', 'lastExecuted', 'lowWatermark'] as const)
    it(`believes no ${what} from which nothing could be written down any more`, () => {
      const last = 1n << 62n
      const driver = new Forgetful()
      for (const from of [0, 1]) driver.receive(from, answer())
      for (const number of [last + 1n, (1n << 64n) - 1n])
        expect(rejectCodes(driver.receive(2, answer({ [what]: number })))).to.deep.equal([
          'PBFT_INVALID_STATUS',
        ])
      const effects = driver.receive(2, answer({ [what]: last }))
      expect(rejectCodes(effects)).to.deep.equal([])
      const records = only(effects, 'persist').map(({ record }) => record)
      expect(records).to.have.length(1)
      for (const record of records)
        expect(decodeRecord(new Encoder().record(record))).to.deep.equal(record)
    })

  it('asks on, and is put off by one lie too many only until it hears the truth', () => {
    const far = 1n << 60n
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, far], [0n, 0n, far])
    expect(driver.said).to.include({ until: far + 8n, votesFrom: far + 1n })
    driver.receive(2, answer({ lastExecuted: far, view: 0n }))
    driver.receive(2, answer({ lastExecuted: 4n, view: far }))
    expect(driver.said).to.include({ until: 12n, votesFrom: 1n })
  })

  it('asks on in views in which it does not vote, and votes at once in one that turns out to be late enough', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n], [0n, 0n, 1n << 60n])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    const changes = [0, 1, 2].map((id) => viewChange(id, 1n, { lowWatermark: 12n }))
    driver.receive(1, newView(1n, changes))
    driver.prePrepare(13n, a, 1n)
    expect(broadcasts(driver.fire('status'), 'status')).to.have.nested.property('0.query', query)
    const effects = driver.receive(2, answer({ view: 0n }))
    expect(votes(effects)).to.deep.equal(['prepare'])
    expect(driver.said).to.deep.equal({ isVoting: true, until: undefined, votesFrom: 1n })
    expect(broadcasts(driver.fire('status'), 'status')).to.have.nested.property('0.query', 0n)
    expect(only(driver.receive(0, answer()), 'persist'), 'too late').to.deep.equal([])
    const again = new Forgetful(driver.journal, true)
    again.hearAll([12n, 12n, 12n])
    expect(again.core.inspect()).to.include({ view: 1n, isVoting: true })
  })

  it('leaves for the first view in which it votes when that is near, and else stays until it hears the truth', () => {
    const leaving = (view: bigint) => {
      const driver = new Forgetful()
      driver.hearAll([3n, 3n, 3n], [0n, 0n, view])
      driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
      const left = broadcasts(driver.step({ type: 'suspect', view: 0n }), 'view-change')
      return { driver, left: left.map((vc) => vc.view) }
    }
    expect(leaving(maxLeap).left).to.deep.equal([maxLeap + 1n])
    const { driver, left } = leaving(maxLeap + 1n)
    expect(left).to.deep.equal([])
    driver.receive(2, answer())
    const effects = driver.step({ type: 'suspect', view: 0n })
    expect(broadcasts(effects, 'view-change').map(({ view }) => view)).to.deep.equal([1n])
  })

  it('leaves by itself for the first view in which it votes, once that is all it lacks, and if that is near', () => {
    const left = (driver: Driver): bigint[] =>
      broadcasts(driver.fire('status'), 'view-change').map(({ view }) => view)
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    expect(left(driver), 'before the checkpoint').to.deep.equal([])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    expect(left(driver)).to.deep.equal([1n])
    expect(left(driver), 'once').to.deep.equal([])
    for (const [view, expected] of [
      [maxLeap, [maxLeap + 1n]],
      [maxLeap + 1n, []],
    ] as const) {
      const other = new Forgetful()
      other.hearAll([3n, 3n, 3n], [0n, 0n, view])
      other.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
      expect(left(other), `view ${view}`).to.deep.equal(expected)
    }
  })

  it('asks on after a restart, too', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n], [0n, 0n, 1n << 60n])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    const again = new Forgetful(driver.journal, true)
    expect(broadcasts(again.effects, 'status').map((s) => s.query)).to.deep.equal([query])
    again.hearAll([12n, 12n, 12n])
    expect(again.said).to.deep.equal({ isVoting: false, until: undefined, votesFrom: 1n })
    const changes = [1, 2].flatMap((from) => again.receive(from, viewChange(from, 1n)))
    expect(broadcasts(changes, 'view-change').map(({ view }) => view)).to.deep.equal([1n])
  })

  it('joins others that left before it heard the truth', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n], [0n, 0n, 1n << 60n])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    const changes = [1, 2].flatMap((from) => driver.receive(from, viewChange(from, 1n)))
    expect(broadcasts(changes, 'view-change')).to.deep.equal([])
    const left = broadcasts(driver.receive(2, answer({ view: 1n })), 'view-change')
    expect(left.map(({ view }) => view)).to.deep.equal([2n])
  })

  it('changes views from that checkpoint on, to the first view in which it votes', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n], [1n, 1n, 1n])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(10n) })
    expect(commitments(driver.step({ type: 'suspect', view: 0n })), 'one too low').to.deep.equal([])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    expect(driver.said).to.deep.equal({ isVoting: false, until: undefined, votesFrom: 2n })
    const [left] = broadcasts(driver.step({ type: 'suspect', view: 0n }), 'view-change')
    expect(left).to.include({ view: 2n, lowWatermark: 12n })
    expect(driver.said.isVoting).to.equal(true)
  })

  it('joins others that left the view before', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    for (const from of [1, 2]) driver.receive(from, viewChange(from, 1n))
    const effects = driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    expect(broadcasts(effects, 'view-change').map(({ view }) => view)).to.deep.equal([1n])
  })

  it('leaves with the one that left before, when a request is late', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    driver.receive(1, viewChange(1, 1n))
    driver.step({ type: 'late', view: 0n, isLate: true })
    const effects = driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    expect(broadcasts(effects, 'view-change').map(({ view }) => view)).to.deep.equal([1n])
  })

  it('votes in that view, and in none before', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    expect(commitments(driver.prePrepare(13n, a)), 'in view 0').to.deep.equal([])
    const changes = [0, 1, 2].map((id) => viewChange(id, 1n, { lowWatermark: 12n }))
    driver.receive(1, newView(1n, changes))
    expect(commitments(driver.prePrepare(13n, a, 1n))).to.deep.equal(['prepare'])
    expect(driver.said.isVoting).to.equal(true)
  })

  it('votes at once for what it accepted meanwhile, when it is in that view already', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    const changes = [0, 1, 2].map((id) => viewChange(id, 1n, { lowWatermark: 10n }))
    driver.receive(1, newView(1n, changes))
    driver.prePrepare(12n, a, 1n)
    expect(commitments(driver.prePrepare(13n, a, 1n))).to.deep.equal([])
    const effects = driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    const prepared = broadcasts(effects, 'prepare').map(({ sequence }) => sequence)
    expect(prepared).to.deep.equal([13n])
  })

  it('remembers over a restart that it forgot, before anybody answered, too', () => {
    const again = new Forgetful(new Forgetful().journal, true)
    expect(again.said).to.deep.equal({ isVoting: false, until: undefined, votesFrom: 0n })
  })

  it('says who else forgot, at each interval until there are bounds', () => {
    const driver = new Forgetful()
    driver.receive(0, answer({ reply: 0n, echo: query }))
    driver.receive(1, answer({ echo: query }))
    const [told] = only(driver.fire('status'), 'voting')
    expect(told).to.deep.include({ isVoting: false, forgetful: [0] })
    for (const from of [0, 2]) driver.receive(from, answer())
    expect(only(driver.fire('status'), 'voting'), 'bounds are known').to.deep.equal([])
    const healthy = new Driver({ id: 3 })
    healthy.step({ type: 'start' })
    expect(only(healthy.fire('status'), 'voting')).to.deep.equal([])
  })

  it('remembers over restarts that it forgot, and where that ends', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    const again = new Forgetful(driver.journal, true)
    expect(again.said).to.deep.equal({ isVoting: false, until: 11n, votesFrom: 1n })
    again.hearAll([9n, 9n, 9n])
    expect(again.said, 'what it learnt before holds').to.include({ until: 11n, votesFrom: 1n })
    again.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    const third = new Forgetful(again.journal, true)
    expect(third.said).to.deep.equal({ isVoting: false, until: undefined, votesFrom: 1n })
    const rewritten = new Forgetful(again.core.durableRecords(), true)
    expect(rewritten.said).to.deep.equal(third.said)
    const unfinished = new Forgetful(driver.core.durableRecords(), true)
    expect(unfinished.said).to.deep.equal({ isVoting: false, until: 11n, votesFrom: 1n })
  })

  it('accepts batches without a vote, and does not say later, restarted, that it voted', () => {
    const [m1, m2] = [batchOf('m1'), batchOf('m2')]
    const before = new Driver({ id: 3 }, [], 3n)
    expect(commitments(before.prePrepare(4n, m1))).to.deep.equal(['prepare'])
    // Its journal is lost, and the primary, a liar, gives it another batch this time.
    const driver = new Forgetful()
    driver.prePrepare(4n, m2)
    for (const from of [1, 2]) driver.prepare(from, 4n, m2)
    for (const journal of [driver.journal, driver.core.durableRecords()]) {
      const again = new Forgetful(journal, true)
      const effects = again.receive(1, answer({ lastExecuted: 3n, reply: 0n }))
      expect([...votes(again.effects), ...votes(effects)]).to.deep.equal([])
      expect(votes(again.fire('status'))).to.deep.equal([])
    }
  })

  it('nor that it voted in a view before the first one in which it does', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    driver.prePrepare(13n, a)
    const again = new Forgetful(driver.journal, true)
    expect(again.said.isVoting).to.equal(false)
    expect(votes(again.receive(1, answer({ lastExecuted: 12n, reply: 0n })))).to.deep.equal([])
  })

  it('as primary of a view that began meanwhile, repeats no pre-prepare of it', () => {
    const driver = new Forgetful()
    const prepared = [claim(4n, a)]
    driver.prePrepare(4n, a)
    const changes = [0, 1, 2].map((id) => viewChange(id, 3n, { prepared }))
    driver.receive(0, newView(3n, changes))
    expect(driver.core.inspect()).to.include({ view: 3n, primary: 3, active: true })
    const asked = driver.receive(1, answer({ view: 3n, lastExecuted: 3n, reply: 0n }))
    expect(votes(asked)).to.deep.equal([])
  })

  it('keeps of a journal that is not all there, or another’s, only what others signed', () => {
    const full = new Driver({ id: 3 })
    full.prePrepare(1n, a)
    full.prepare(2, 1n, a)
    full.step({ type: 'suspect', view: 0n })
    const stable = { type: 'certificate', checkpoints: certificate(2n) } as const
    full.receive(0, stable)
    const driver = new Forgetful(full.journal)
    expect(driver.core.inspect()).to.include({ view: 0n, active: true, lowWatermark: 2n })
    expect(commitments(driver.effects)).to.deep.equal([])
  })

  it('keeps of such a journal what it heard from others, too', () => {
    const full = new Driver({ id: 3 })
    full.prepare(1, 5n, a)
    const [status] = broadcasts(new Forgetful(full.journal).effects, 'status')
    expect(status?.heard[1]).to.deep.equal({ view: 0n, accepted: 5n, committed: 0n })
  })

  it('gives no bounds to another that forgot, only what it heard from it; whoever did not forget answers at once', () => {
    const ask = answer({ query: 5n, reply: 0n })
    const [echo] = sendsTo(new Forgetful().receive(2, ask), 2, 'status')
    expect(echo).to.include({ reply: 0n, echo: 5n })
    const healthy = new Driver({ id: 1 }, [], 3n)
    const [reply] = sendsTo(healthy.receive(2, ask), 2, 'status')
    expect(reply).to.include({ lastExecuted: 3n, view: 0n, query: 0n, reply: 5n, echo: 5n })
  })

  it('answers, once it is over, with a view that it may have left for', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    const [reply] = sendsTo(driver.receive(2, answer({ query: 5n, reply: 0n })), 2, 'status')
    expect(reply).to.include({ view: 1n, reply: 5n })
  })

  it('alone, proves anew what it executed, and goes on', () => {
    const driver = new Driver({ id: 0, n: 1 })
    const executed = { sequence: 33n, digest: stateDigest(33n) }
    Object.assign(driver, { core: new ReplicaCore(driver.options, [], executed, false) })
    driver.step({ type: 'start', query })
    expect(driver.core.inspect()).to.include({ isVoting: true, lowWatermark: 33n })
    expect(only(driver.step({ type: 'propose', batch: a }), 'execute')).to.have.length(1)
  })

  it('is whole again at the very checkpoint that it waits for, also where that is stable already', () => {
    const waiting = new Forgetful()
    waiting.hearAll([4n, 4n, 4n])
    expect(waiting.said.until).to.equal(12n)
    waiting.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    expect(waiting.said.until).to.equal(undefined)
    const there = new Forgetful()
    there.receive(0, { type: 'certificate', checkpoints: certificate(20n) })
    there.hearAll([3n, 3n, 3n])
    expect(there.said).to.deep.equal({ isVoting: false, until: undefined, votesFrom: 1n })
  })

  it('writes down and tells what it learns, and nothing when it learns nothing', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    const again = driver.receive(1, answer({ lastExecuted: 3n }))
    expect([...only(again, 'persist'), ...only(again, 'voting')]).to.deep.equal([])
    const less = driver.receive(1, answer({ lastExecuted: 1n }))
    expect(only(less, 'voting')).to.deep.equal([])
  })

  it('keeps the earlier view of a life before from which on it votes', () => {
    const before = { type: 'amnesia', until: 9n, votesFrom: 3n, over: false } as const
    const driver = new Forgetful([before], true)
    driver.hearAll([9n, 9n, 9n], [8n, 8n, 8n])
    expect(driver.said).to.deep.equal({ isVoting: false, until: 9n, votesFrom: 3n })
    const rewritten = new Forgetful(driver.core.durableRecords(), true)
    expect(rewritten.said).to.deep.equal({ isVoting: false, until: 9n, votesFrom: 3n })
  })

  it('writes its journal anew without what is over', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    const [first] = driver.core.durableRecords()
    expect(first).to.deep.equal({ type: 'amnesia', until: 11n, votesFrom: 1n, over: true })
  })

  it('takes no message for an answer before it asked', () => {
    const driver = new Driver({ id: 3 })
    const core = new ReplicaCore(driver.options, [], { sequence: 3n, digest: 'aa' }, false)
    core.step({ type: 'start' })
    for (const from of [0, 1, 2])
      core.step({ type: 'message', from, message: answer({ reply: 0n }) })
    expect(core.durableRecords()).to.deep.equal([
      { type: 'amnesia', until: undefined, votesFrom: 0n, over: false },
    ])
  })

  it('as primary of its view prepares nothing when it may vote again, and passes over mere votes', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    const prepared = [claim(4n, a)]
    driver.prePrepare(4n, a)
    const changes = [0, 1, 2].map((id) => viewChange(id, 3n, { prepared }))
    driver.receive(0, newView(3n, changes))
    driver.commit(1, 6n, a, 3n)
    const effects = driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    expect(driver.said.isVoting).to.equal(true)
    expect(votes(effects)).to.deep.equal([])
  })

  it('says nothing then of what is stable, though it waits for execution', () => {
    const driver = new Forgetful()
    driver.hearAll([2n, 2n, 2n])
    const changes = [0, 1, 2].map((id) => viewChange(id, 1n, { lowWatermark: 8n }))
    driver.receive(1, newView(1n, changes))
    for (const sequence of [9n, 10n, 11n]) driver.prePrepare(sequence, a, 1n)
    const effects = driver.receive(0, { type: 'certificate', checkpoints: certificate(10n) })
    const sent = broadcasts(effects, 'prepare').map(({ sequence }) => sequence)
    expect(sent).to.deep.equal([11n])
  })

  it('as primary prepares nothing of what its view carried over', () => {
    const driver = new Forgetful()
    driver.hearAll([2n, 2n, 2n])
    const prepared = [claim(11n, a)]
    const changes = [0, 1, 2].map((id) => viewChange(id, 3n, { lowWatermark: 8n, prepared }))
    driver.receive(0, newView(3n, changes))
    driver.receive(0, { type: 'batch', batch: a })
    expect(driver.core.inspect()).to.include({ view: 3n, primary: 3, active: true })
    const effects = driver.receive(0, { type: 'certificate', checkpoints: certificate(10n) })
    expect(driver.said.isVoting).to.equal(true)
    expect(votes(effects)).to.deep.equal([])
  })

  it('as backup passes over numbers of which it has votes only', () => {
    const driver = new Forgetful()
    driver.hearAll([3n, 3n, 3n])
    const changes = [0, 1, 2].map((id) => viewChange(id, 1n, { lowWatermark: 10n }))
    driver.receive(1, newView(1n, changes))
    driver.commit(1, 13n, a, 1n)
    driver.prePrepare(14n, a, 1n)
    const effects = driver.receive(0, { type: 'certificate', checkpoints: certificate(12n) })
    const sent = broadcasts(effects, 'prepare').map(({ sequence }) => sequence)
    expect(sent).to.deep.equal([14n])
  })

  it('starts no timer for a view that others wait for, which it cannot leave for', () => {
    const core = new ReplicaCore(
      new Driver({ id: 0 }).options,
      [],
      { sequence: 0n, digest: '' },
      false,
    )
    core.step({ type: 'start', query })
    const effects = [1, 2, 3].flatMap((from) =>
      core.step({ type: 'message', from, message: viewChange(from, 4n) }),
    )
    expect(
      effects.map(({ type }) => type),
      'only what it heard',
    ).to.deep.equal(Array(3).fill('persist'))
  })
})
