import { expect } from 'chai'
import { createEventQueue, Driver, maxQueuedEvents, enqueue } from '../../src/driver.ts'
import type { DriverParts } from '../../src/driver.ts'
import { MalformedError } from '../../src/errors.ts'
import { nextTurn } from '../support/turns.ts'

const word = { type: 'late', view: 0n, isLate: true } as const

describe('the queue of events', () => {
  it('has room for maxQueuedEvents, and loses nothing that is posted beyond', async () => {
    const queue = createEventQueue(() => undefined)
    const seen: string[] = []
    queue.setReceiver(({ type }) => {
      seen.push(type)
      return undefined
    })
    for (let i = 0; i < maxQueuedEvents - 1; i++) enqueue(queue, word)
    expect(queue.tryQueue(word), 'the last place').to.equal(true)
    expect(queue.tryQueue(word), 'a message finds none').to.equal(false)
    enqueue(queue, { type: 'resumed' })
    await queue.start()
    while (queue.stats().queued > 0) await nextTurn()
    expect(seen).to.have.length(maxQueuedEvents + 1)
    expect(seen.at(-1)).to.equal('resumed')
    await queue.stop()
  })

  for (const [what, thrown, code] of [
    ['as it is, when it has a code', new MalformedError('the journal'), 'PBFT_MALFORMED'],
    ['as a broken invariant, when it has none', new TypeError('a bug'), 'INVARIANT_BROKEN'],
  ] as const)
    it(`tells what the receiver threw ${what}`, async () => {
      const failures: unknown[] = []
      const queue = createEventQueue((error) => failures.push(error))
      queue.setReceiver(() => {
        throw thrown
      })
      await queue.start()
      enqueue(queue, word)
      await nextTurn()
      expect(failures).to.have.length(1)
      expect(failures).to.have.nested.property('0.code', code)
      await queue.stop()
    })
})

describe('Driver', () => {
  it('gives the core what an event led to at once, in order, before all that waits', async () => {
    const seen: string[] = []
    const queue = createEventQueue((error) => {
      throw error
    })
    const parts: unknown = {
      queue,
      core: {
        step: ({ type }: { readonly type: string }) => {
          seen.push(type)
          return type === 'late' ? ['transferFailed', 'resumed'] : []
        },
      },
      effects: {
        perform: (type: 'transferFailed' | 'resumed') => {
          driver.post({ type })
        },
      },
      outbox: { isFull: true, flush: () => seen.push('flush') },
      desk: { observe: () => undefined },
    }
    const driver = new Driver(parts as DriverParts)
    queue.setReceiver(driver.receive, driver.endBatch)
    for (let i = 0; i < 2; i++) driver.post(word)
    await queue.start()
    await nextTurn()
    const led = ['late', 'transferFailed', 'resumed']
    expect(seen).to.deep.equal([...led, ...led, 'flush'])
    await queue.stop()
  })
})
