import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { backOffMs, pause } from '../../src/back-off.ts'

const options = { minBackOffMs: 100, maxBackOffMs: 10_000 }

describe('back-off', () => {
  it('waits the least while each endpoint failed once, then twice that for each round', () => {
    const waits = [1, 2, 3, 4, 5, 8, 9, 12, 13].map((failures) =>
      backOffMs(failures, 4, options, () => 0),
    )
    expect(waits).to.deep.equal([100, 100, 100, 100, 200, 200, 400, 400, 800])
  })

  it('waits no longer than the most, however many failures', () => {
    for (const failures of [8, 20, 1000, 1_000_000, Number.MAX_SAFE_INTEGER]) {
      expect(
        backOffMs(failures, 1, options, () => 0),
        String(failures),
      ).to.equal(10_000)
    }
  })

  it('waits the most at once when that is less than the least', () => {
    expect(backOffMs(1, 1, { minBackOffMs: 100, maxBackOffMs: 10 }, () => 0)).to.equal(10)
  })

  it('is shortened by up to half at random', () => {
    expect(backOffMs(1, 1, options, () => 0.5)).to.equal(75)
    expect(backOffMs(1, 1, options, () => 0.999999)).to.be.greaterThan(50)
  })

  it('pauses for the time given, or until the signal aborts', async () => {
    const clock = new VirtualClock()
    let paused = false
    void pause(clock, 100).then(() => (paused = true))
    await clock.advance(99)
    expect(paused).to.equal(false)
    await clock.advance(1)
    expect(paused).to.equal(true)
    const reason = new Error('enough')
    const controller = new AbortController()
    const { signal } = controller
    const cut = pause(clock, 100, { signal }).catch((error: unknown) => error)
    controller.abort(reason)
    expect(await cut).to.equal(reason)
    expect(clock.pending).to.equal(0)
    expect(await pause(clock, 1, { signal }).catch((error: unknown) => error)).to.equal(reason)
  })
})
