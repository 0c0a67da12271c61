import { expect } from 'chai'
import fc from 'fast-check'
import { ExpiryQueue } from '../../src/expiry-queue.ts'

interface Item {
  readonly expiresAt: number | undefined
}

describe('ExpiryQueue', () => {
  const emptied = (queue: ExpiryQueue<Item>): number[] => {
    const times: number[] = []
    for (let first = queue.first; first !== undefined; first = queue.first) {
      times.push(first.expiresAt as number)
      queue.remove(first)
      expect(times.length, 'an item came twice').to.be.lessThan(1000)
    }
    return times
  }

  it('does not hold who never expires, and forgets nobody else for him', () => {
    const queue = new ExpiryQueue<Item>()
    const never = { expiresAt: undefined }
    queue.add(never)
    expect([queue.size, queue.first]).to.deep.equal([0, undefined])
    const one = { expiresAt: 1 }
    queue.add(one)
    queue.remove(never)
    expect([queue.size, queue.first]).to.deep.equal([1, one])
    queue.remove(one)
    queue.remove(one)
    expect([queue.size, queue.first]).to.deep.equal([0, undefined])
  })

  it('gives those of one time all of them, and time 0 before all others', () => {
    const queue = new ExpiryQueue<Item>()
    for (const expiresAt of [5, 0, 5, 5, 7]) queue.add({ expiresAt })
    expect(queue.size).to.equal(5)
    expect(emptied(queue)).to.deep.equal([0, 5, 5, 5, 7])
  })

  it('gives who is left in the order of their times, whoever was added and removed before', () => {
    const step = fc.record({ time: fc.nat(50), remove: fc.option(fc.nat(), { nil: undefined }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new ExpiryQueue<Item>()
        const left: Item[] = []
        for (const { time, remove } of steps) {
          const item = { expiresAt: time }
          queue.add(item)
          left.push(item)
          if (remove !== undefined) {
            const [gone] = left.splice(remove % left.length, 1)
            queue.remove(gone as Item)
          }
          expect(queue.size).to.equal(left.length)
          const times = left.map(({ expiresAt }) => expiresAt as number)
          expect(queue.first?.expiresAt ?? Infinity).to.equal(Math.min(...times))
        }
        const sorted = left.map(({ expiresAt }) => expiresAt as number).sort((a, b) => a - b)
        expect(emptied(queue)).to.deep.equal(sorted)
      }),
      { seed: 8, numRuns: 200 },
    )
  })

  it('takes few steps for many: each looks at a path of the heap, not at all of it', () => {
    const queue = new ExpiryQueue<Item>()
    let looks = 0
    const timed = (time: number): Item => ({
      get expiresAt() {
        looks += 1
        return time
      },
    })
    const items = Array.from({ length: 1024 }, (_, i) => timed((i * 7919) % 1024))
    for (const item of items) queue.add(item)
    for (const item of items) queue.remove(item)
    // The heap of 1,024 is 10 deep.
    expect(looks / items.length).to.be.lessThan(4 * 10)
  })
})
