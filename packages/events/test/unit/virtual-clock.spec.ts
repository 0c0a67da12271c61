import { expect } from 'chai'
import fc from 'fast-check'
import { isCodedError } from '@heddle/interface'
import { VirtualClock, clockCases, maxTimersPerAdvance } from '../../src/testing.ts'

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
  } catch (error) {
    return isCodedError(error) ? error.code : String(error)
  }
  return 'no error'
}

describe('VirtualClock', () => {
  for (const { name, run } of clockCases(() => {
    const clock = new VirtualClock()
    return { clock, pass: (ms) => clock.advance(ms) }
  })) {
    it(name, run)
  }

  it('stands still until it is advanced, by exactly that much', async () => {
    const clock = new VirtualClock({ startMs: 5, wallTimeMs: 1_000 })
    expect([clock.now(), clock.wallTime()]).to.deep.equal([5, 1_000])
    await clock.advance(250)
    expect([clock.now(), clock.wallTime()]).to.deep.equal([255, 1_250])
  })

  it('runs each timer at its own time, also one scheduled meanwhile', async () => {
    const clock = new VirtualClock()
    const log: string[] = []
    const note = (name: string) => () => log.push(`${name}@${clock.now()}`)
    clock.schedule(30, note('c'))
    clock.schedule(10, () => {
      note('a')()
      clock.schedule(10, note('b'))
    })
    await clock.advance(30)
    expect(log).to.deep.equal(['a@10', 'b@20', 'c@30'])
  })

  it('does not run what is due 1 ms later', async () => {
    const clock = new VirtualClock()
    let calls = 0
    clock.schedule(11, () => (calls += 1))
    await clock.advance(10)
    expect([calls, clock.pending]).to.deep.equal([0, 1])
    await clock.advance(1)
    expect([calls, clock.pending]).to.deep.equal([1, 0])
  })

  it('lets promises settle before the next timer runs', async () => {
    const clock = new VirtualClock()
    const log: string[] = []
    clock.schedule(1, () => {
      void (async () => {
        for (let i = 0; i < 20; i += 1) await Promise.resolve()
        log.push('promises of the first')
      })()
    })
    clock.schedule(2, () => log.push('second'))
    await clock.advance(2)
    expect(log).to.deep.equal(['promises of the first', 'second'])
  })

  it('runs timers that pending promises schedule before it passes their time', async () => {
    const clock = new VirtualClock()
    let at: number | undefined
    void Promise.resolve().then(() => clock.schedule(5, () => (at = clock.now())))
    await clock.advance(10)
    expect(at).to.equal(5)
  })

  it('counts what is pending, without what was cancelled or has run', async () => {
    const clock = new VirtualClock()
    const first = clock.schedule(1, () => undefined)
    clock.schedule(2, () => undefined)
    clock.schedule(3, () => undefined)
    expect(clock.pending).to.equal(3)
    first.cancel()
    expect(clock.pending).to.equal(2)
    await clock.advance(2)
    expect(clock.pending).to.equal(1)
  })

  it('hands on what a callback throws, and keeps the other timers', async () => {
    const clock = new VirtualClock()
    let calls = 0
    clock.schedule(1, () => {
      throw new RangeError('boom')
    })
    clock.schedule(2, () => (calls += 1))
    expect(await codeOf(clock.advance(5))).to.equal('RangeError: boom')
    expect([clock.now(), clock.pending]).to.deep.equal([1, 1])
    await clock.advance(1)
    expect(calls).to.equal(1)
  })

  it('refuses an advance during another one, and a time that is none', async () => {
    const clock = new VirtualClock()
    const first = clock.advance(1)
    expect(await codeOf(clock.advance(1))).to.equal('EVENTS_CLOCK_BUSY')
    await first
    for (const ms of [-1, NaN, Infinity]) {
      expect(await codeOf(clock.advance(ms)), String(ms)).to.equal('EVENTS_INVALID_OPTIONS')
    }
    expect(clock.now()).to.equal(1)
  })

  it('gives up on a timer that arms itself again at once, for ever', async function () {
    this.timeout(60_000)
    const clock = new VirtualClock()
    let calls = 0
    const again = (): void => {
      calls += 1
      clock.schedule(0, again)
    }
    again()
    expect(await codeOf(clock.advance(1))).to.equal('EVENTS_CLOCK_RUNAWAY')
    expect(calls).to.equal(maxTimersPerAdvance + 1)
  })

  it('runs any set of timers by due time and then by order of scheduling', async () => {
    const timers = fc.array(
      fc.record({ delay: fc.integer({ min: 0, max: 20 }), cancelled: fc.boolean() }),
      { maxLength: 60 },
    )
    await fc.assert(
      fc.asyncProperty(timers, async (plan) => {
        const clock = new VirtualClock()
        const ran: number[] = []
        const handles = plan.map(({ delay }, index) => clock.schedule(delay, () => ran.push(index)))
        plan.forEach(({ cancelled }, index) => cancelled && handles[index]?.cancel())
        await clock.advance(20)
        const expected = plan
          .map(({ delay, cancelled }, index) => ({ delay, cancelled, index }))
          .filter(({ cancelled }) => !cancelled)
          .sort((a, b) => a.delay - b.delay || a.index - b.index)
          .map(({ index }) => index)
        expect(ran).to.deep.equal(expected)
      }),
      { seed: 2, numRuns: 200 },
    )
  })
})
