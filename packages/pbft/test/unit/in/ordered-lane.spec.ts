import { expect } from 'chai'
import { OrderedLane } from '../../../src/in/ordered-lane.ts'
import { nextTurn } from '../../support/turns.ts'

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
