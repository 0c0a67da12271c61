import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { burstSeconds, organizationBurstSeconds } from '../../src/client-budgets.ts'
import { type ClientWindow, ClientWindows } from '../../src/client-window.ts'

describe('ClientWindows', () => {
  const options = {
    ...{ broadcastWindowPerClient: 2, broadcastWindowBytesPerClient: 100 },
    ...{ broadcastWindowPerOrganization: 3, broadcastWindowBytesPerOrganization: 150 },
    ...{ maxRefusalsPerSecondPerClient: 10, maxRefusalsPerSecondPerOrganization: 15 },
  }
  const client = { client: 'client', organization: 'organisation' }
  const another = { client: 'another', organization: 'organisation' }
  const foreign = { client: 'foreign', organization: 'other organisation' }
  let clock: VirtualClock
  beforeEach(() => (clock = new VirtualClock()))
  const stream = { pause: () => undefined, readOn: () => undefined }

  it('keep the window of a client while it has a stream or an envelope, and forget it then', () => {
    const windows = new ClientWindows(clock, options)
    const [window] = windows.of(client) as [ClientWindow]
    window.open(stream)
    window.take(1)
    window.close(stream)
    expect(windows.of(client)[0], 'an envelope is under way').to.equal(window)
    window.open(stream)
    window.release(1)
    expect(windows.of(client)[0], 'a stream is open').to.equal(window)
    window.close(stream)
    expect(windows.of(client)[0]).not.to.equal(window)
  })
  it('do not read a client of which more is refused than may be, over all its streams, until that has come back', async () => {
    const windows = new ClientWindows(clock, options)
    const [window] = windows.of(client) as [ClientWindow]
    let reading = true
    const watched = { pause: () => (reading = false), readOn: () => (reading = true) }
    window.open(watched)
    for (let i = 0; i < 10 * burstSeconds; i++) window.refused()
    expect([reading, window.isFull]).to.deep.equal([true, false])
    for (let i = 0; i < 5; i++) window.refused()
    expect([reading, window.isFull]).to.deep.equal([false, true])
    expect(windows.of(another)[0]!.isFull).to.equal(false)
    await clock.advance(99)
    expect(reading).to.equal(false)
    await clock.advance(1)
    expect(reading, 'the first has come back, the others have not').to.equal(false)
    window.close(watched)
    const [again] = windows.of(client) as [ClientWindow]
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

  it('bound the clients of an organisation together: envelopes, bytes, and what is refused', async () => {
    const windows = new ClientWindows(clock, options)
    const [, window] = windows.of(client) as [ClientWindow, ClientWindow]
    expect(windows.of(another)[1], 'of the same organisation').to.equal(window)
    const [, others] = windows.of(foreign) as [ClientWindow, ClientWindow]
    window.open(stream)
    for (const bytes of [1, 1]) window.take(bytes)
    expect(window.isFull).to.equal(false)
    window.take(1)
    expect([window.isFull, others.isFull], 'envelopes').to.deep.equal([true, false])
    for (const bytes of [1, 1, 1]) window.release(bytes)
    window.take(149)
    expect(window.isFull).to.equal(false)
    window.take(1)
    expect(window.isFull, 'bytes').to.equal(true)
    for (const bytes of [149, 1]) window.release(bytes)
    for (let i = 0; i < 15 * organizationBurstSeconds; i++) window.refused()
    expect(window.isFull).to.equal(false)
    window.refused()
    expect([window.isFull, others.isFull], 'refusals').to.deep.equal([true, false])
    await clock.advance(66)
    expect(window.isFull).to.equal(true)
    await clock.advance(1)
    expect(window.isFull).to.equal(false)
    window.close(stream)
    expect(clock.pending, 'timers left').to.equal(0)
  })
})
