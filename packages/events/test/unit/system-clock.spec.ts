import { mock } from 'node:test'
import { expect } from 'chai'
import { systemClock } from '../../src/index.ts'
import { clockCases } from '../../src/testing.ts'

describe('systemClock', () => {
  const pass = (ms: number): Promise<void> =>
    new Promise((resolve) => systemClock.schedule(ms, () => setImmediate(resolve)))
  for (const { name, run } of clockCases(() => ({ clock: systemClock, pass }))) it(name, run)

  describe('over a machine that can be told the time', () => {
    let now = 0
    let timeouts: { delay: number; callback: () => void }[] = []

    beforeEach(() => {
      now = 0
      timeouts = []
      mock.method(performance, 'now', () => now)
      mock.method(globalThis, 'setTimeout', (callback: () => void, delay: number) => {
        timeouts.push({ delay, callback })
        return timeouts.length
      })
    })
    afterEach(() => mock.restoreAll())

    it('waits again when the machine calls too early', () => {
      let calls = 0
      systemClock.schedule(10, () => (calls += 1))
      now = 9.5
      timeouts[0]?.callback()
      expect([calls, timeouts.map(({ delay }) => delay)]).to.deep.equal([0, [10, 1]])
      now = 10.5
      timeouts[1]?.callback()
      expect([calls, timeouts.length]).to.deep.equal([1, 2])
    })

    it('waits in stretches when the delay is longer than setTimeout can wait', () => {
      const longest = 2 ** 31 - 1
      let calls = 0
      systemClock.schedule(longest + 5, () => (calls += 1))
      now = longest
      timeouts[0]?.callback()
      expect([calls, timeouts.map(({ delay }) => delay)]).to.deep.equal([0, [longest, 5]])
      now = longest + 5
      timeouts[1]?.callback()
      expect(calls).to.equal(1)
    })

    it('cancels the stretch that it is in', () => {
      const cleared = mock.method(globalThis, 'clearTimeout', () => undefined)
      const timer = systemClock.schedule(2 ** 31 + 5, () => undefined)
      now = 2 ** 31 - 1
      timeouts[0]?.callback()
      timer.cancel()
      expect(cleared.mock.calls.map((call) => call.arguments as unknown[])).to.deep.equal([[2]])
    })
  })
})
