import { expect } from 'chai'
import { requestDigest } from '../../../src/wire/request-batch.ts'
import { RequestPool } from '../../../src/requests/request-pool.ts'
import type { PoolEntry } from '../../../src/requests/request-pool.ts'
import { calmMs, RequestWatch } from '../../../src/requests/request-watch.ts'

/** Time-out 1,000 ms, first part 400, cap 5,000. */
function setup() {
  const facts = { now: 0, timeoutFactor: 1 }
  const pool = new RequestPool({
    ...{ batchSize: 10, preferredBatchBytes: 100, maxPoolRequests: 10, maxPoolBytes: 100 },
  })
  const told: string[] = []
  const turns: string[] = []
  const tell = (what: string) => (entry: PoolEntry) =>
    void told.push(`${facts.now} ${what} ${entry.id}`)
  const watch = new RequestWatch(
    pool,
    facts,
    {
      onTurn: ({ id }) => void turns.push(id),
      onLate: tell('late'),
      onTimeout: tell('timeout'),
      onRelief: () => void told.push(`${facts.now} relief`),
      onCalm: (factor) => {
        told.push(`${facts.now} calm ${factor}`)
        facts.timeoutFactor = factor
      },
    },
    { requestTimeoutMs: 1_000, forwardTimeoutMs: 400, maxTimeoutMs: 5_000 },
  )
  /** Lets time pass, and asks the watch each time that it wants to be asked. */
  const advance = (ms: number): void => {
    const end = facts.now + ms
    while (watch.wakeAt <= end) {
      facts.now = watch.wakeAt
      for (const turn of watch.due()) {
        watch.expire(turn)
        watch.lookAt(turn.origin)
      }
    }
    facts.now = end
  }
  const add = (id: string, origin = 0): PoolEntry => {
    const request = Buffer.from(id)
    return pool.add({ request, id, digest: requestDigest(request) }, origin)
  }
  const execute = (entry: PoolEntry): void => {
    pool.remove(entry)
    watch.onExecuted()
  }
  return { advance, pool, told, turns, facts, watch, add, execute }
}

describe('RequestWatch', () => {
  it('tells at forwardTimeoutMs that the oldest is late, at requestTimeoutMs that its time is over', () => {
    const { advance, told, watch, add } = setup()
    add('a')
    watch.start()
    advance(399)
    expect(told).to.deep.equal([])
    advance(601)
    expect(told).to.deep.equal(['400 late a', '1000 relief', '1000 timeout a'])
  })

  it('times a request from when it became the oldest', () => {
    const { advance, told, watch, add, execute } = setup()
    const [a] = [add('a'), add('b')]
    watch.start()
    advance(300)
    execute(a)
    advance(399)
    expect(told).to.deep.equal([])
    advance(1)
    expect(told).to.deep.equal(['700 late b'])
  })

  it('tells when what was late was executed', () => {
    const { advance, told, watch, add, execute } = setup()
    const a = add('a')
    watch.start()
    advance(400)
    execute(a)
    execute(a)
    advance(10_000)
    expect(told).to.deep.equal(['400 late a', '400 relief'])
  })

  it('times the oldest of each origin by itself, whatever else is executed meanwhile', () => {
    const { advance, told, turns, watch, add, execute } = setup()
    const many = Array.from({ length: 10 }, (_, i) => add(`many ${i}`, 1))
    add('few', 2)
    watch.start()
    for (const entry of many) {
      advance(100)
      execute(entry)
    }
    expect(told).to.deep.equal(['400 late few', '1000 relief', '1000 timeout few'])
    expect(turns).to.deep.equal(
      [...many.slice(0, 1), { id: 'few' }, ...many.slice(1), { id: 'few' }].map(({ id }) => id),
    )
  })

  it('times one that another origin takes over as the latest of that', () => {
    const { advance, pool, told, watch, add } = setup()
    const [, hidden] = [add('before', 7), add('hidden', 7)]
    watch.start()
    advance(300)
    pool.adopt(hidden, 1)
    watch.lookAt(1)
    advance(1_000)
    expect(told).to.deep.equal([
      ...['400 late before', '700 late hidden', '1000 timeout before', '1300 relief'],
      '1300 timeout hidden',
    ])
  })

  it('tells of relief once nothing is late any more', () => {
    const { advance, told, watch, add, execute } = setup()
    const [a, b] = [add('a', 1), add('b', 2)]
    watch.start()
    advance(400)
    execute(a)
    expect(told).to.deep.equal(['400 late a', '400 late b'])
    execute(b)
    expect(told.at(-1)).to.equal('400 relief')
  })

  it('goes on timing the others when the time of one is over', () => {
    const { advance, told, watch, add } = setup()
    add('a', 1)
    watch.start()
    advance(300)
    add('b', 2)
    watch.lookAt(2)
    advance(1_000)
    expect(told).to.deep.equal([
      ...['400 late a', '700 late b', '1000 timeout a', '1300 relief', '1300 timeout b'],
    ])
  })

  it('scales both parts by the factor', () => {
    const { advance, told, facts, watch, add } = setup()
    facts.timeoutFactor = 4
    add('a')
    watch.start()
    advance(4_000)
    expect(told).to.deep.equal(['1600 late a', '4000 relief', '4000 timeout a'])
  })

  it('caps the whole at maxTimeoutMs, not each part', () => {
    const { advance, told, facts, watch, add } = setup()
    facts.timeoutFactor = 32
    add('a')
    watch.start()
    advance(5_000)
    expect(told).to.deep.equal(['2000 late a', '5000 relief', '5000 timeout a'])
  })

  it('times the next one without the factor, once there was progress', () => {
    const { advance, told, facts, watch, add, execute } = setup()
    facts.timeoutFactor = 4
    const [a] = [add('a'), add('b')]
    watch.start()
    advance(100)
    facts.timeoutFactor = 1
    execute(a)
    advance(1_000)
    expect(told).to.deep.equal(['500 late b', '1100 relief', '1100 timeout b'])
  })

  it('lets one that waits on without the factor have a full part from the progress on, and no more', () => {
    const { advance, told, facts, watch, add } = setup()
    facts.timeoutFactor = 4
    add('left out')
    watch.start()
    advance(1_000)
    facts.timeoutFactor = 1
    watch.look()
    advance(1_000)
    expect(told).to.deep.equal(['1400 late left out', '2000 relief', '2000 timeout left out'])
  })

  it('never waits longer because of progress', () => {
    const { advance, told, facts, watch, add } = setup()
    facts.timeoutFactor = 2
    add('a')
    watch.start()
    advance(790)
    facts.timeoutFactor = 1
    watch.look()
    advance(10)
    expect(told).to.deep.equal(['800 late a'])
  })

  describe('tells that it went well', () => {
    /** With a factor of 8, executes one at once, and then each of these so many milliseconds later. */
    function work(...afterMs: number[]) {
      const all = setup()
      const { advance, facts, watch, add, execute, told } = all
      facts.timeoutFactor = 8
      watch.start()
      execute(add('first'))
      for (const [i, ms] of afterMs.entries()) {
        const entry = add(`request ${i}`)
        watch.look()
        advance(ms)
        execute(entry)
      }
      return { ...all, calm: () => told.filter((line) => line.includes('calm')) }
    }

    it(`after ${calmMs} ms, once something was executed then`, () => {
      const { calm, advance, add, execute } = work(400)
      advance(calmMs - 400 - 1)
      execute(add('before'))
      expect(calm()).to.deep.equal([])
      advance(2)
      execute(add('after'))
      expect(calm()).to.deep.equal([`${calmMs + 1} calm 1`])
    })

    for (const [slowestMs, factor] of [
      [499, 1],
      [500, 2],
      [999, 2],
      [1_000, 4],
    ] as const)
      it(`as far as it did: one of ${slowestMs} ms needs ${factor} times the time-out`, () => {
        const { calm } = work(slowestMs, ...Array<number>(80).fill(100))
        expect(calm()[0]).to.match(new RegExp(`calm ${factor}$`))
      })

    it('as soon as all was quick for as long, whatever was slow just before', () => {
      const { calm } = work(...Array<number>(11).fill(600), ...Array<number>(85).fill(100))
      expect(calm()).to.deep.equal([`8000 calm 2`, `${6_600 + calmMs} calm 1`])
    })

    it('with what still waits', () => {
      const { calm, advance, watch, add, execute } = work()
      advance(calmMs - 600)
      add('waits')
      watch.look()
      const other = add('not the oldest')
      advance(600)
      execute(other)
      expect(calm()).to.deep.equal([`${calmMs} calm 2`])
    })

    it('not when that would not shrink the factor, nor for what came before the view', () => {
      const { calm, advance, facts, watch, add, execute } = work(400)
      watch.stop()
      watch.start()
      advance(calmMs)
      execute(add('first of the view'))
      expect(calm()).to.deep.equal([])
      facts.timeoutFactor = 1
      advance(calmMs)
      execute(add('last'))
      expect(calm()).to.deep.equal([])
    })
  })

  it('times nothing before start and after stop', () => {
    const { advance, told, watch, add } = setup()
    add('a')
    watch.look()
    advance(10_000)
    watch.start()
    watch.stop()
    advance(10_000)
    expect(told).to.deep.equal([])
  })
})
