import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import fc from 'fast-check'
import { InvalidOptionsError, RingQueue, maxRingCapacity } from '../../src/index.ts'
import { turn } from './support.ts'

describe('RingQueue', () => {
  it('gives items back in the order in which they came', () => {
    const queue = new RingQueue<string>(3)
    for (const item of ['a', 'b', 'c']) queue.push(item)
    expect([queue.shift(), queue.shift(), queue.shift()]).to.deep.equal(['a', 'b', 'c'])
  })

  it('refuses an item beyond its capacity, and takes one again after a shift', () => {
    const queue = new RingQueue<number>(2)
    expect([queue.push(1), queue.push(2), queue.push(3)]).to.deep.equal([true, true, false])
    expect(queue.size).to.equal(2)
    expect(queue.shift()).to.equal(1)
    expect(queue.push(4)).to.equal(true)
    expect([queue.shift(), queue.shift(), queue.shift()]).to.deep.equal([2, 4, undefined])
  })

  it('shows the oldest item without taking it', () => {
    const queue = new RingQueue<string>(2)
    expect(queue.peek()).to.equal(undefined)
    queue.push('a')
    queue.push('b')
    expect([queue.peek(), queue.peek(), queue.size]).to.deep.equal(['a', 'a', 2])
  })

  it('is empty after clear, and usable', () => {
    const queue = new RingQueue<number>(100)
    for (let i = 0; i < 100; i += 1) queue.push(i)
    queue.clear()
    expect([queue.size, queue.shift(), queue.peek()]).to.deep.equal([0, undefined, undefined])
    queue.push(7)
    expect(queue.shift()).to.equal(7)
  })

  it('forgets an item when it is taken, and all when it is cleared', async () => {
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    const queue = new RingQueue<object>(4)
    // In a function of its own, so that no variable keeps the items.
    const fill = (): WeakRef<object>[] => {
      const items = [{}, {}, {}]
      for (const item of items) queue.push(item)
      return items.map((item) => new WeakRef(item))
    }
    const alive = async (refs: WeakRef<object>[]): Promise<boolean[]> => {
      await turn()
      collectGarbage()
      return refs.map((ref) => ref.deref() !== undefined)
    }
    const taken = fill()
    queue.shift()
    expect(await alive(taken)).to.deep.equal([false, true, true])
    queue.clear()
    expect(await alive(taken)).to.deep.equal([false, false, false])
    expect(queue.size).to.equal(0)
  })

  it('refuses a capacity that is no whole number from 1 to 2^24', () => {
    for (const capacity of [0, -1, 1.5, NaN, Infinity, maxRingCapacity + 1]) {
      expect(() => new RingQueue(capacity), String(capacity)).to.throw(InvalidOptionsError)
    }
    expect(new RingQueue(maxRingCapacity).capacity).to.equal(maxRingCapacity)
  })

  it('behaves as an array with a bound, whatever is called in whatever order', () => {
    const operation = fc.oneof(
      { weight: 10, arbitrary: fc.record({ push: fc.integer() }) },
      { weight: 8, arbitrary: fc.constant('shift' as const) },
      { weight: 1, arbitrary: fc.constant('clear' as const) },
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 80 }),
        fc.array(operation, { maxLength: 400 }),
        (capacity, operations) => {
          const queue = new RingQueue<number>(capacity)
          let model: number[] = []
          for (const step of operations) {
            if (step === 'shift') expect(queue.shift()).to.equal(model.shift())
            else if (step === 'clear') {
              queue.clear()
              model = []
            } else {
              const hasRoom = model.length < capacity
              expect(queue.push(step.push)).to.equal(hasRoom)
              if (hasRoom) model.push(step.push)
            }
            expect(queue.size).to.equal(model.length)
            expect(queue.peek()).to.equal(model[0])
          }
        },
      ),
      { seed: 1, numRuns: 300 },
    )
  })
})
