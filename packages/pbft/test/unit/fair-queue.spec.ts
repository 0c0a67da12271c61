import { expect } from 'chai'
import { FairQueue } from '../../src/fair-queue.ts'

/** A queue of names; those in `useless` are of no use any more. */
function setup(maxItems = 3) {
  const useless = new Set<string>()
  const queue = new FairQueue<{ request: Buffer }>({
    isUseful: ({ request }) => !useless.has(request.toString()),
    maxItems,
  })
  const push = (origin: number, ...names: string[]): boolean[] =>
    names.map((name) => queue.push(origin, { request: Buffer.from(name) }))
  const takeAll = (): string[] => {
    const taken: string[] = []
    for (let item = queue.peek(); item !== undefined; item = queue.peek()) {
      taken.push(item.request.toString())
      queue.take()
    }
    return taken
  }
  return { queue, useless, push, takeAll }
}

describe('FairQueue', () => {
  it('serves the origins in turn, and each in order', () => {
    const { push, takeAll } = setup()
    push(1, 'a', 'b', 'c')
    push(2, 'd')
    push(3, 'e', 'f')
    expect(takeAll()).to.deep.equal(['a', 'd', 'e', 'b', 'f', 'c'])
  })

  it('holds maxItems of each origin, and has room again when one was taken', () => {
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
