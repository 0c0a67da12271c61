import { expect } from 'chai'
import { OrderedLane } from '../../../src/in/ordered-lane.ts'
import { nextTurn } from '../../support/turns.ts'

describe('OrderedLane', () => {
  const setup = (maxItems = 10, maxBytes = 100) => {
    const delivered: string[] = []
    return {
      delivered,
      lane: new OrderedLane<string>({
        ...{ maxItems, maxBytes, maxOpen: 4 },
        deliver: (v, taken) => {
          delivered.push(v)
          taken()
        },
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
  it('begins no more than maxOpen, in order, and the next when one has ended', async () => {
    const delivered: number[] = []
    const lane = new OrderedLane<number>({
      ...{ maxItems: 10, maxBytes: 100, maxOpen: 2 },
      deliver: (value, taken) => {
        delivered.push(value)
        taken()
      },
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

describe('OrderedLane: what is not yet taken', () => {
  const setup = (maxOpen: number) => {
    const looked: string[] = []
    const taken: (() => void)[] = []
    const lane = new OrderedLane<string>({
      ...{ maxItems: 10_000, maxBytes: 10_000, maxOpen },
      deliver: (_, done) => taken.push(done),
    })
    const push = (name: string, value: string | undefined, isBarrier = false): boolean =>
      lane.push(1, () => (looked.push(name), value), isBarrier)
    return { looked, taken, push }
  }

  it('counts as open', () => {
    const { looked, taken, push } = setup(2)
    for (const name of ['a', 'b', 'c']) push(name, name)
    expect(looked).to.deep.equal(['a', 'b'])
    taken[0]!()
    expect(looked).to.deep.equal(['a', 'b', 'c'])
  })

  it('keeps all back that comes after it, when it is a barrier', () => {
    const { looked, taken, push } = setup(4)
    push('a', 'a')
    push('barrier', 'barrier', true)
    push('b', 'b')
    taken[0]!()
    expect(looked).to.deep.equal(['a', 'barrier'])
    taken[1]!()
    expect(looked).to.deep.equal(['a', 'barrier', 'b'])
  })

  it('keeps nothing back when it is a barrier of no use', () => {
    const { looked, push } = setup(4)
    push('barrier', undefined, true)
    push('b', 'b')
    expect(looked).to.deep.equal(['barrier', 'b'])
  })

  it('goes on through any number of items that are of no use', () => {
    const { looked, taken, push } = setup(4)
    push('barrier', 'barrier', true)
    for (let at = 0; at < 9_000; at++) push(`${at}`, undefined)
    taken[0]!()
    expect(looked).to.have.length(9_001)
  })
})
