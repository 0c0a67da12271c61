import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { Repeating } from '../../src/node/repeating.ts'

/** Counts, and does `more` each time. */
class Counter extends Repeating {
  count = 0
  more: () => void = () => undefined

  protected override repeat(): void {
    this.count++
    this.more()
  }
}

function counting() {
  const clock = new VirtualClock()
  return { clock, counter: new Counter(clock, 1000) }
}

describe('what repeats', () => {
  it('begins when it is started, once, goes on at its interval, and ends when it is stopped', async () => {
    const { clock, counter } = counting()
    expect([counter.state, counter.count, clock.pending]).to.deep.equal(['idle', 0, 0])
    await counter.start()
    await counter.start()
    expect([counter.state, counter.count]).to.deep.equal(['started', 1])
    await clock.advance(999)
    expect(counter.count).to.equal(1)
    await clock.advance(2001)
    expect(counter.count).to.equal(4)
    await counter.stop()
    await counter.stop()
    await counter.start()
    expect([counter.state, counter.count, clock.pending]).to.deep.equal(['stopped', 4, 0])
  })

  it('ends when it is stopped by what it does', async () => {
    const { clock, counter } = counting()
    await counter.start()
    counter.more = () => void counter.stop()
    await clock.advance(5000)
    expect([counter.count, clock.pending]).to.deep.equal([2, 0])
  })
})
