import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { Executions } from '../../src/executions.ts'
import { OrderedLane } from '../../src/ordered-lane.ts'
import { Proposer } from '../../src/proposer.ts'
import { Recent } from '../../src/recent.ts'
import { requestDigest } from '../../src/request-batch.ts'
import { RequestChecker } from '../../src/request-checker.ts'
import { RequestPool } from '../../src/request-pool.ts'
import { InvalidRequestError, MemoryStateMachine } from '../../src/testing.ts'
import { batchOf } from '../support/cores.ts'
import { nextTurn } from '../support/turns.ts'

describe('OrderedLane', () => {
  const setup = (maxItems = 10, maxBytes = 100) => {
    const delivered: string[] = []
    return {
      delivered,
      lane: new OrderedLane<string>({
        ...{ maxItems, maxBytes, maxVerifying: 4 },
        deliver: (v) => delivered.push(v),
      }),
    }
  }

  it('verifies at the same time and delivers in order, leaving out what was no good', async () => {
    const { lane, delivered } = setup()
    let release: (value: string) => void = () => undefined
    lane.push(1, () => new Promise((resolve) => (release = resolve)))
    lane.push(1, () => 'second')
    lane.push(1, () => Promise.resolve(undefined))
    lane.push(1, () => Promise.resolve('fourth'))
    await nextTurn()
    expect(delivered).to.deep.equal([])
    release('first')
    await nextTurn()
    expect(delivered).to.deep.equal(['first', 'second', 'fourth'])
  })

  it('has room for one item of any size', () => {
    const { lane } = setup(2, 100)
    const never = () => new Promise<string>(() => undefined)
    expect([lane.push(101, never), lane.push(1, never)]).to.deep.equal([true, false])
  })

  it('refuses more than its items or bytes, and has room again when they were delivered', () => {
    const { lane } = setup(2, 100)
    const never = () => new Promise<string>(() => undefined)
    const taken = [1, 100, 99, 1].map((bytes) => lane.push(bytes, never))
    expect(taken).to.deep.equal([true, false, true, false])
    const other = setup(1)
    expect([other.lane.push(1, () => 'a'), other.lane.push(1, () => 'b')]).to.deep.equal([
      true,
      true,
    ])
    const third = setup()
    third.lane.push(60, () => 'a')
    expect([third.lane.push(60, never), third.lane.push(40, never)]).to.deep.equal([true, true])
  })
})

describe('OrderedLane: how many are verified at once', () => {
  it('begins no more than maxVerifying, in order, and the next when one has ended', async () => {
    const delivered: number[] = []
    const lane = new OrderedLane<number>({
      ...{ maxItems: 10, maxBytes: 100, maxVerifying: 2 },
      deliver: (value) => delivered.push(value),
    })
    const ends: (() => void)[] = []
    for (let i = 0; i < 5; i++)
      lane.push(1, () => new Promise((resolve) => ends.push(() => resolve(i))))
    lane.push(1, () => 5)
    expect(ends).to.have.length(2)
    ends[1]!()
    await nextTurn()
    expect(ends).to.have.length(3)
    expect(delivered).to.deep.equal([])
    for (let i = 0; i < 5; i++) {
      ends[i]!()
      await nextTurn()
    }
    expect(delivered).to.deep.equal([0, 1, 2, 3, 4, 5])
  })
})

describe('Executions', () => {
  it('reports in order of sequence, whatever ends first', async () => {
    const ends: ((digest: Uint8Array) => void)[] = []
    const reported: bigint[] = []
    const machine = Object.assign(new MemoryStateMachine(), {
      execute: () => new Promise<Uint8Array>((resolve) => ends.push(resolve)),
    })
    const executions = new Executions(machine, {
      executed: (n) => reported.push(n),
      failed: () => undefined,
    })
    void executions.run(1n, batchOf('a'))
    void executions.run(2n, batchOf('b'))
    ends[1]!(Buffer.from('2'))
    await nextTurn()
    expect(reported).to.deep.equal([])
    ends[0]!(Buffer.from('1'))
    await executions.idle()
    expect(reported).to.deep.equal([1n, 2n])
  })

  it('reports a failure', async () => {
    const failures: bigint[] = []
    const machine = Object.assign(new MemoryStateMachine(), {
      execute: () => Promise.reject(new TypeError('disk')),
    })
    await new Executions(machine, {
      executed: () => undefined,
      failed: (n) => failures.push(n),
    }).run(7n, batchOf('a'))
    expect(failures).to.deep.equal([7n])
  })
})

describe('Recent', () => {
  it('keeps what was set last, and never more than its limit', () => {
    const recent = new Recent<number>(10)
    for (let i = 0; i < 1_000; i++) {
      recent.set(`${i}`, i)
      expect(recent.size, `after ${i}`).to.be.at.most(10)
      expect(recent.get(`${Math.max(0, i - 4)}`), `before ${i}`).to.equal(Math.max(0, i - 4))
    }
    expect(recent.get('1')).to.equal(undefined)
    recent.delete('999')
    expect(recent.get('999')).to.equal(undefined)
  })
})

describe('RequestChecker', () => {
  const limits = { batchSize: 3, maxBatchBytes: 100, maxRequestBytes: 50, maxRemembered: 100 }
  const setup = () => {
    const machine = new MemoryStateMachine()
    return { machine, checker: new RequestChecker(machine, limits) }
  }
  const bytes = (text: string) => Buffer.from(text)

  it('asks once for a request that comes back in a batch, and gives the batch at once', async () => {
    const { machine, checker } = setup()
    for (const name of ['a', 'b'])
      await checker.check(bytes(name), requestDigest(bytes(name)), 'intake')
    expect(checker.checkBatch([bytes('a'), bytes('b')])).to.have.property(
      'digest',
      batchOf('a', 'b').digest,
    )
    expect(machine.checks).to.equal(2)
  })

  it('asks once for a request that is asked about twice at the same time', async () => {
    const { machine, checker } = setup()
    await Promise.all([
      checker.checkBatch([bytes('a')]),
      checker.checkBatch([bytes('a'), bytes('b')]),
    ])
    expect(machine.checks).to.equal(2)
  })

  it('asks again about what was refused, and about what it was told to forget', async () => {
    const { machine, checker } = setup()
    for (let i = 0; i < 2; i++) {
      const refused: unknown = await checker
        .check(bytes(''), requestDigest(bytes('')), 'intake')
        .catch((e: unknown) => e)
      expect(refused).to.be.instanceOf(InvalidRequestError)
    }
    await checker.check(bytes('a'), 'digest', 'intake')
    checker.forget('digest')
    await checker.check(bytes('a'), 'digest', 'intake')
    expect(machine.checks).to.equal(4)
  })

  it('does not let a refusal at intake spoil a batch with the same request', async () => {
    const machine = new MemoryStateMachine({ isValid: (_, purpose) => purpose === 'proposal' })
    const checker = new RequestChecker(machine, limits)
    const taken = checker.check(bytes('a'), requestDigest(bytes('a')), 'intake')
    const batch = checker.checkBatch([bytes('a')])
    expect(await taken.catch((error: unknown) => error)).to.be.instanceOf(InvalidRequestError)
    expect(await batch).to.have.property('digest', batchOf('a').digest)
  })

  for (const [problem, requests] of [
    ['a request twice', ['a', 'a']],
    ['the same request three times', ['a', 'a', 'a']],
    ['an invalid request', ['a', '']],
    ['more than batchSize requests', ['a', 'b', 'c', 'd']],
    ['more than maxBatchBytes', ['a'.repeat(50), 'b'.repeat(50), 'c']],
    ['a request over maxRequestBytes', ['a'.repeat(51)]],
  ] as const) {
    it(`refuses a batch with ${problem}`, async () => {
      const { checker } = setup()
      const refusal: unknown = await Promise.resolve()
        .then(() => checker.checkBatch(requests.map(bytes)))
        .catch((error: unknown) => error)
      expect(refusal)
        .to.have.property('code')
        .that.matches(/PBFT_(INVALID_BATCH|REQUEST_TOO_LARGE)/)
    })
  }
})

describe('Proposer', () => {
  const setup = (requests: number, core: { room: number; inFlight: number }) => {
    const clock = new VirtualClock()
    const pool = new RequestPool({
      batchSize: 3,
      preferredBatchBytes: 1_000,
      maxPoolRequests: 100,
      maxPoolBytes: 10_000,
    })
    const add = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const request = Buffer.from(`request ${pool.size}`)
        pool.propose(pool.add({ request, digest: requestDigest(request), id: `${pool.size}` }, 0))
      }
    }
    add(requests)
    let woken = 0
    const proposer = new Proposer(
      pool,
      clock,
      { batchTimeoutMs: 20, pipelineDepth: 2 },
      () => woken++,
    )
    const next = () => proposer.next({ room: () => core.room, inFlight: () => core.inFlight })
    return { clock, next, add, core, woken: () => woken }
  }

  it('cuts whatever waits when nothing is in flight', () => {
    expect(setup(1, { room: 8, inFlight: 0 }).next()?.requests).to.have.length(1)
  })

  it('lets requests gather while others are in flight, until the batch is full', () => {
    const { next, add } = setup(2, { room: 8, inFlight: 1 })
    expect(next()).to.equal(undefined)
    add(1)
    expect(next()?.requests).to.have.length(3)
  })

  it('cuts a batch that waited for batchTimeoutMs', async () => {
    const { next, clock, woken } = setup(2, { room: 8, inFlight: 1 })
    next()
    await clock.advance(19)
    expect(woken()).to.equal(0)
    await clock.advance(1)
    expect(woken()).to.equal(1)
    expect(next()?.requests).to.have.length(2)
  })

  it('has no more than pipelineDepth in flight, however full the batch', () => {
    const { next, core } = setup(6, { room: 8, inFlight: 2 })
    expect(next()).to.equal(undefined)
    core.inFlight = 1
    expect(next()?.requests).to.have.length(3)
  })

  it('proposes nothing without room, and leaves no timer behind', () => {
    const { next, clock } = setup(6, { room: 0, inFlight: 0 })
    expect(next()).to.equal(undefined)
    expect(clock.pending).to.equal(0)
  })
})
