import { expect } from 'chai'
import { pause } from '../../src/pause.ts'
import { VirtualClock } from '../../src/testing.ts'

describe('pause', () => {
  it('resolves after the time given', async () => {
    const clock = new VirtualClock()
    let isOver = false
    void pause(clock, 100).then(() => (isOver = true))
    await clock.advance(99)
    expect(isOver).to.equal(false)
    await clock.advance(1)
    expect(isOver).to.equal(true)
  })

  it('resolves at once when the signal aborts, or has aborted, and leaves no timer behind', async () => {
    const clock = new VirtualClock()
    const controller = new AbortController()
    const paused = pause(clock, 100, controller.signal)
    controller.abort()
    await paused
    await pause(clock, 100, controller.signal)
    expect(clock.pending).to.equal(0)
  })
})
