import { expect } from 'chai'
import { OrderedLane } from '../../../src/in/ordered-lane.ts'
import type { LaneKind, OrderedLaneOptions, Verified } from '../../../src/in/ordered-lane.ts'
import { nextTurn } from '../../support/turns.ts'

/** A lane in which each item has its turn at once. */
function laneOf(options: Partial<Omit<OrderedLaneOptions, 'onVerified'>> = {}) {
  const delivered: string[] = []
  const deliver = (value: string): void => void delivered.push(value)
  const lane = new OrderedLane<string>({
    ...{ maxItems: 10, maxBytes: 100, maxVerifying: 4, ...options },
    onVerified: () => lane.advance(deliver),
  })
  const push = (
    bytes: number,
    verify: () => Verified<string>,
    kind: LaneKind = 'content',
  ): boolean => {
    const hasRoom = lane.push(kind, bytes, verify)
    if (hasRoom) lane.open(deliver)
    return hasRoom
  }
  return { delivered, deliver, lane, push }
}

const never = (): Promise<string> => new Promise(() => undefined)

describe('OrderedLane', () => {
  it('verifies at the same time and delivers in order, leaving out what was no good', async () => {
    const { push, delivered } = laneOf()
    let release: (value: string) => void = () => undefined
    push(1, () => new Promise((resolve) => (release = resolve)))
    push(1, () => 'second')
    push(1, () => Promise.resolve(undefined))
    push(1, () => Promise.resolve('fourth'))
    await nextTurn()
    expect(delivered).to.deep.equal([])
    release('first')
    await nextTurn()
    expect(delivered).to.deep.equal(['first', 'second', 'fourth'])
  })

  it('has room for one item of any size', () => {
    const { push } = laneOf({ maxItems: 2 })
    expect([push(101, never), push(1, never)]).to.deep.equal([true, false])
  })

  it('refuses more than its items or bytes, and has room again when they were delivered', () => {
    const { push } = laneOf({ maxItems: 2 })
    const isTaken = [1, 100, 99, 1].map((bytes) => push(bytes, never))
    expect(isTaken).to.deep.equal([true, false, true, false])
    const other = laneOf({ maxItems: 1 })
    expect([other.push(1, () => 'a'), other.push(1, () => 'b')]).to.deep.equal([true, true])
    const third = laneOf()
    third.push(60, () => 'a')
    expect([third.push(60, never), third.push(40, never)]).to.deep.equal([true, true])
  })

  it('looks at nothing before its turn, and at one for each turn, after the one before was taken', () => {
    const seen: string[] = []
    const { lane } = laneOf()
    const deliver = (value: string): void => void seen.push(`take ${value}`)
    for (const name of ['a', 'b', 'c'])
      lane.push('statement', 1, () => (seen.push(`look at ${name}`), name))
    lane.advance(deliver)
    expect(seen).to.deep.equal([])
    lane.open(deliver)
    expect(seen).to.deep.equal(['look at a', 'take a'])
    lane.open(deliver)
    lane.open(deliver)
    expect(seen.slice(2)).to.deep.equal(['look at b', 'take b', 'look at c', 'take c'])
  })
})

describe('OrderedLane: how many are verified at once', () => {
  it('begins no more than maxVerifying, in order, and the next when one has ended', async () => {
    const { push, delivered } = laneOf({ maxVerifying: 2 })
    const ends: (() => void)[] = []
    for (let i = 0; i < 5; i++)
      push(1, () => new Promise((resolve) => ends.push(() => resolve(`${i}`))))
    push(1, () => 'at once')
    expect(ends).to.have.length(2)
    ends[1]!()
    await nextTurn()
    expect(ends, 'the third').to.have.length(3)
    expect(delivered, 'in order').to.deep.equal([])
    for (let i = 0; i < 5; i++) {
      ends[i]!()
      await nextTurn()
    }
    expect(delivered).to.deep.equal(['0', '1', '2', '3', '4', 'at once'])
  })
})

describe('OrderedLane: content behind statements', () => {
  const setup = () => {
    const looked: string[] = []
    const ends = new Map<string, (value: string | undefined) => void>()
    const { push } = laneOf({ maxItems: 10_000, maxBytes: 10_000 })
    const look = (name: string, kind: LaneKind, verify: () => Verified<string>): boolean =>
      push(1, () => (looked.push(name), verify()), kind)
    const later = (name: string) => (): Verified<string> =>
      new Promise((resolve) => ends.set(name, resolve))
    return { looked, look, later, ends }
  }

  it('waits until all of them are delivered, and they for nothing', async () => {
    const { looked, look, later, ends } = setup()
    look('a', 'content', later('a'))
    look('b', 'statement', later('b'))
    look('c', 'statement', later('c'))
    look('d', 'content', () => 'd')
    ends.get('b')!('b')
    ends.get('c')!('c')
    await nextTurn()
    expect(looked, 'they are verified, and wait for the first').to.deep.equal(['a', 'b', 'c'])
    ends.get('a')!('a')
    await nextTurn()
    expect(looked).to.deep.equal(['a', 'b', 'c', 'd'])
  })

  it('waits for none that is verified at once, and no longer for one that is of no use', async () => {
    const { looked, look, later, ends } = setup()
    look('a', 'statement', () => 'a')
    look('b', 'content', () => 'b')
    look('useless', 'statement', later('useless'))
    look('c', 'content', () => 'c')
    expect(looked).to.deep.equal(['a', 'b', 'useless'])
    ends.get('useless')!(undefined)
    await nextTurn()
    expect(looked).to.deep.equal(['a', 'b', 'useless', 'c'])
  })

  it('goes on through any number of items that are of no use', async () => {
    const { looked, look, later, ends } = setup()
    look('a', 'statement', later('a'))
    for (let at = 0; at < 9_000; at++) look(`${at}`, 'content', () => undefined)
    ends.get('a')!('a')
    await nextTurn()
    expect(looked).to.have.length(9_001)
  })
})
