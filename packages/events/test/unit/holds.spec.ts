import { expect } from 'chai'
import { Holds } from '../../src/holds.ts'
import { VirtualClock } from '../../src/testing.ts'

describe('Holds', () => {
  it('resolve after their time, or when all are let go, and leave no timer behind', async () => {
    const clock = new VirtualClock()
    const holds = new Holds(clock)
    const ended: string[] = []
    void holds.hold(10).then(() => ended.push('short'))
    void holds.hold(1_000).then(() => ended.push('long'))
    await clock.advance(9)
    expect(ended).to.deep.equal([])
    await clock.advance(1)
    expect(ended).to.deep.equal(['short'])
    holds.release()
    await clock.advance(0)
    expect(ended).to.deep.equal(['short', 'long'])
    expect(clock.pending).to.equal(0)
  })
})
