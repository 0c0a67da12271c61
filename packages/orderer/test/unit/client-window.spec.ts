import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { burstSeconds } from '../../src/client-budgets.ts'
import { ClientWindows } from '../../src/client-window.ts'

describe('ClientWindows', () => {
  const options = {
    ...{ broadcastWindowPerClient: 2, broadcastWindowBytesPerClient: 100 },
    maxRefusalsPerSecondPerClient: 10,
  }
  let clock: VirtualClock
  beforeEach(() => (clock = new VirtualClock()))
  const stream = { pause: () => undefined, readOn: () => undefined }

  it('keep the window of a client while it has a stream or an envelope, and forget it then', () => {
    const windows = new ClientWindows(clock, options)
    const window = windows.of('client')
    window.open(stream)
    window.take(1)
    window.close(stream)
    expect(windows.of('client'), 'an envelope is under way').to.equal(window)
    window.open(stream)
    window.release(1)
    expect(windows.of('client'), 'a stream is open').to.equal(window)
    window.close(stream)
    expect(windows.of('client')).not.to.equal(window)
  })
  it('do not read a client of which more is refused than may be, over all its streams, until that has come back', async () => {
    const windows = new ClientWindows(clock, options)
    const window = windows.of('client')
    let reading = true
    const watched = { pause: () => (reading = false), readOn: () => (reading = true) }
    window.open(watched)
    for (let i = 0; i < 10 * burstSeconds; i++) window.refused()
    expect([reading, window.isFull]).to.deep.equal([true, false])
    for (let i = 0; i < 5; i++) window.refused()
    expect([reading, window.isFull]).to.deep.equal([false, true])
    expect(windows.of('another').isFull).to.equal(false)
    await clock.advance(99)
    expect(reading).to.equal(false)
    await clock.advance(1)
    expect(reading, 'the first has come back, the others have not').to.equal(false)
    window.close(watched)
    const again = windows.of('client')
    expect(again).not.to.equal(window)
    again.open(watched)
    expect(again.isFull, 'after it has left').to.equal(true)
    await clock.advance(399)
    expect(again.isFull).to.equal(true)
    await clock.advance(1)
    expect([again.isFull, reading]).to.deep.equal([false, true])
    again.close(watched)
    expect(clock.pending, 'timers left').to.equal(0)
  })
})
