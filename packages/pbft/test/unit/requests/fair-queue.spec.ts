import { expect } from 'chai'
import { FairQueue, clientTurns } from '../../../src/requests/fair-queue.ts'
import { maxTurnsWaited, turnBytes } from '../../../src/requests/round.ts'

/** A queue of names; those in `useless` are of no use any more. */
function setup(maxItems = 3) {
  const useless = new Set<string>()
  const queue = new FairQueue<{ request: Buffer; client?: string }>({
    isUseful: ({ request }) => !useless.has(request.toString()),
    maxItems,
  })
  const push = (lane: number, ...names: string[]): boolean[] =>
    names.map((name) => queue.push(lane, { request: Buffer.from(name) }))
  const pushLong = (lane: number, name: string, bytes: number): boolean =>
    queue.push(lane, { request: Buffer.alloc(bytes, name) })
  const takeAll = (): string[] => {
    const taken: string[] = []
    for (let item = queue.peek(); item !== undefined; item = queue.peek()) {
      const text = item.request.toString()
      taken.push(text.length < turnBytes ? text : text.charAt(0))
      queue.take()
    }
    return taken
  }
  /** Each item is named after its client, in lane 1. */
  const pushOf = (items: string): boolean[] =>
    items
      .split(' ')
      .map((item) => queue.push(1, { request: Buffer.from(item), client: item.charAt(0) }))
  return { queue, useless, push, pushOf, pushLong, takeAll }
}

describe('FairQueue', () => {
  it('serves the lanes in turn, and each in order', () => {
    const { push, takeAll } = setup()
    push(1, 'a', 'b', 'c')
    push(2, 'd')
    push(3, 'e', 'f')
    expect(takeAll()).to.deep.equal(['a', 'd', 'e', 'b', 'f', 'c'])
  })

  it('gives a long item as many turns as it has turnBytes, and the others theirs meanwhile', () => {
    const { push, pushLong, takeAll } = setup(10)
    pushLong(1, 'L', 2 * turnBytes)
    pushLong(1, 'M', 2 * turnBytes + 1)
    push(2, 'a', 'b', 'c', 'd', 'e', 'f')
    pushLong(3, 'x', turnBytes)
    push(3, 'y')
    expect(takeAll().join('')).to.equal('axLbycdMef')
  })

  it('lets the longest item wait for no more than maxTurnsWaited of all the others', () => {
    const { push, pushLong, takeAll } = setup(maxTurnsWaited)
    const names = Array.from({ length: maxTurnsWaited }, (_, at) => `${at}`)
    for (const lane of [1, 2, 3]) push(lane, ...names)
    pushLong(4, 'L', 2 * maxTurnsWaited * turnBytes)
    expect(takeAll().indexOf('L')).to.equal((3 * maxTurnsWaited) / 4)
  })

  it('serves a long item at once when nothing else waits', () => {
    const { pushLong, takeAll } = setup()
    pushLong(1, 'L', 100 * turnBytes)
    expect(takeAll()).to.deep.equal(['L'])
  })

  it(`serves the clients of a lane in turn, and what has waited longest after ${clientTurns} of them`, () => {
    const { pushOf, takeAll } = setup(20)
    pushOf('a1 a2 a3 a4 a5 a6 a7 a8 b1 b2 b3 b4 b5')
    const taken = takeAll()
    expect(taken.slice(0, 1 + clientTurns).join(' ')).to.equal('a1 a2 b1 a3 b2 a4 b3 a5')
    expect(taken.slice(1 + clientTurns).join(' '), 'longest, b, a').to.equal('a6 b4 a7 b5 a8')
  })

  it('passes nothing by for long, however many clients come later', () => {
    const { queue, pushOf } = setup(1_000)
    pushOf('a1 a2 a3')
    const taken: string[] = []
    for (let i = 0; i <= 2 * (1 + clientTurns); i++) {
      queue.push(1, { request: Buffer.from(`new ${i}`), client: `new ${i}` })
      taken.push(queue.peek()?.request.toString() ?? '')
      queue.take()
    }
    expect(taken).to.include.members(['a1', 'a2', 'a3'])
  })

  it('lets the longest item that has waited longest wait for no more than maxTurnsWaited', () => {
    const { queue } = setup(5_000)
    queue.push(1, { request: Buffer.alloc(maxTurnsWaited * turnBytes), client: 'a' })
    let waited = 0
    // Others come all the time, each the only one of its client.
    const next = (): number => {
      queue.push(1, { request: Buffer.alloc(1), client: String(waited) })
      return queue.peek()?.request.length ?? 0
    }
    for (; next() === 1; waited++) queue.take()
    expect(waited).to.be.within(1, maxTurnsWaited)
  })

  it('gives up the line of a client that has nothing more, and begins it anew', () => {
    const { pushOf, takeAll, queue } = setup(20)
    pushOf('a1 b1')
    takeAll()
    pushOf('b2 a2 a3')
    expect(takeAll().join(' ')).to.equal('b2 a2 a3')
    expect([queue.size, queue.bytes, queue.sizeOf(1)]).to.deep.equal([0, 0, 0])
  })

  it('holds an item once in a lane, and forgets what is removed', () => {
    const { queue, takeAll } = setup(2)
    const [a, b] = ['a', 'b'].map((name) => ({ request: Buffer.from(name), client: name }))
    expect([a!, a!, b!, a!].map((item) => queue.push(1, item))).to.deep.equal(Array(4).fill(true))
    expect([queue.size, queue.bytes]).to.deep.equal([2, 2])
    queue.remove(1, a!)
    queue.remove(1, a!)
    queue.remove(2, b!)
    expect([queue.size, queue.bytes]).to.deep.equal([1, 1])
    expect(takeAll()).to.deep.equal(['b'])
  })

  it('is empty once cleared', () => {
    const { queue, push, takeAll } = setup()
    push(1, 'a', 'b')
    queue.clear()
    expect([queue.size, queue.bytes, queue.sizeOf(1)]).to.deep.equal([0, 0, 0])
    push(1, 'c')
    expect(takeAll()).to.deep.equal(['c'])
  })

  it('lets no lane save up turns while nothing waits in it', () => {
    const { push, pushLong, takeAll } = setup(10)
    push(1, 'a')
    push(2, 'b', 'c', 'd', 'e')
    takeAll()
    pushLong(1, 'L', 3 * turnBytes)
    push(2, 'f', 'g', 'h', 'i')
    expect(takeAll().join('')).to.equal('fgLhi')
  })

  it('holds maxItems of each lane, and has room again when one was taken', () => {
    const { queue, push } = setup()
    expect(push(1, 'a', 'b', 'c', 'd')).to.deep.equal([true, true, true, false])
    expect(push(2, 'e')).to.deep.equal([true])
    expect([queue.size, queue.bytes, queue.sizeOf(1), queue.sizeOf(9)]).to.deep.equal([4, 4, 3, 0])
    queue.peek()
    queue.take()
    expect(push(1, 'd')).to.deep.equal([true])
  })

  it('makes room by what became useless, wherever that stands, and keeps nothing of it', () => {
    const { queue, useless, push, takeAll } = setup()
    push(1, 'a', 'b', 'c')
    useless.add('b')
    expect(push(1, 'd', 'e')).to.deep.equal([true, false])
    expect([queue.size, queue.bytes]).to.deep.equal([3, 3])
    expect(takeAll()).to.deep.equal(['a', 'c', 'd'])
    expect([queue.size, queue.bytes]).to.deep.equal([0, 0])
  })
})
