import { expect } from 'chai'
import fc from 'fast-check'
import { createTimer, type Manager, type Timer } from '../../src/index.ts'
import { VirtualClock } from '../../src/testing.ts'
import { recording, turn } from './support.ts'

interface Fixture {
  clock: VirtualClock
  manager: Manager<string>
  seen: string[]
  timer: Timer<string>
}

function fixture(capacity = 1000): Fixture {
  const clock = new VirtualClock()
  const { manager, seen } = recording({ capacity })
  return { clock, manager, seen, timer: createTimer(clock, manager) }
}

describe('Timer', () => {
  // The catalogue of fabric v0.6.1 consensus/util/events/events_test.go.
  describe('as in Fabric', () => {
    it('delivers its event to the receiver of the manager when the time is up', async () => {
      const { clock, manager, seen, timer } = fixture()
      await manager.start()
      timer.reset(1, 'up')
      await clock.advance(1)
      expect(seen).to.deep.equal(['up'])
    })

    it('delivers only the event of the second of two resets', async () => {
      const { clock, manager, seen, timer } = fixture()
      timer.reset(1, 'first')
      timer.reset(1, 'second')
      await manager.start()
      await clock.advance(10)
      expect(seen).to.deep.equal(['second'])
    })

    it('delivers the event of the first of two soft resets, at its time', async () => {
      const { clock, manager, seen, timer } = fixture()
      await manager.start()
      timer.softReset(10, 'first')
      timer.softReset(1, 'second')
      await clock.advance(9)
      expect(seen).to.deep.equal([])
      await clock.advance(100)
      expect(seen).to.deep.equal(['first'])
    })

    it('never delivers an event that had fired, but was not delivered, when it was stopped', async () => {
      const { clock, manager, seen, timer } = fixture()
      timer.reset(1, 'up')
      await clock.advance(5)
      timer.stop()
      await manager.start()
      await clock.advance(100)
      expect(seen).to.deep.equal([])
    })
  })

  describe('reset', () => {
    it('starts the countdown anew', async () => {
      const { clock, manager, seen, timer } = fixture()
      await manager.start()
      timer.reset(10, 'first')
      await clock.advance(9)
      timer.reset(10, 'second')
      await clock.advance(9)
      expect(seen).to.deep.equal([])
      await clock.advance(1)
      expect(seen).to.deep.equal(['second'])
    })

    it('can bring the deadline forward', async () => {
      const { clock, manager, seen, timer } = fixture()
      await manager.start()
      timer.reset(100, 'late')
      timer.reset(3, 'early')
      await clock.advance(3)
      expect(seen).to.deep.equal(['early'])
      await clock.advance(200)
      expect(seen).to.deep.equal(['early'])
    })

    it('takes back an event that had fired and was not delivered', async () => {
      const { clock, manager, seen, timer } = fixture()
      timer.reset(1, 'first')
      await clock.advance(1)
      timer.reset(10, 'second')
      await manager.start()
      await clock.advance(9)
      expect(seen).to.deep.equal([])
      await clock.advance(1)
      expect(seen).to.deep.equal(['second'])
    })

    it('asks the clock once, however often the deadline moves back', async () => {
      const { clock, manager, seen, timer } = fixture()
      await manager.start()
      let asked = 0
      const schedule = clock.schedule.bind(clock)
      clock.schedule = (...args) => {
        asked += 1
        return schedule(...args)
      }
      for (let i = 0; i < 1000; i += 1) timer.reset(10 + i, 'up')
      timer.reset(10, 'up at the first deadline')
      expect([asked, clock.pending]).to.deep.equal([1, 1])
      timer.reset(1009, 'up')
      await clock.advance(1008)
      expect([asked, seen.length, clock.pending]).to.deep.equal([2, 0, 1])
      await clock.advance(1)
      expect([asked, clock.pending, ...seen]).to.deep.equal([2, 0, 'up'])
    })

    it('with no delay, or less, still goes through the queue', async () => {
      const { clock, manager, seen, timer } = fixture()
      await manager.start()
      for (const delay of [0, -5, NaN]) {
        timer.reset(delay, String(delay))
        expect(seen, String(delay)).to.deep.equal([])
        await clock.advance(0)
        expect(seen.splice(0), String(delay)).to.deep.equal([String(delay)])
      }
    })
  })

  describe('softReset', () => {
    // Fabric v0.6.1 drops the expiry here and waits anew: a busy replica would put off its view change.
    it('keeps an event that has fired and waits in the queue', async () => {
      const { clock, manager, seen, timer } = fixture()
      timer.reset(1, 'first')
      await clock.advance(1)
      timer.softReset(300, 'second')
      await manager.start()
      await clock.advance(0)
      expect(seen).to.deep.equal(['first'])
      await clock.advance(1000)
      expect(seen).to.deep.equal(['first'])
    })

    it('starts the countdown once the event is delivered, also while it is processed', async () => {
      const { clock, manager, seen, timer } = fixture()
      manager.setReceiver((event) => {
        seen.push(`${event}@${clock.now()} ${timer.isRunning}`)
        if (seen.length < 3) timer.softReset(5, 'again')
        return undefined
      })
      await manager.start()
      timer.softReset(5, 'first')
      await clock.advance(100)
      expect(seen).to.deep.equal(['first@5 false', 'again@10 false', 'again@15 false'])
    })

    it('starts a timer that was stopped', async () => {
      const { clock, manager, seen, timer } = fixture()
      await manager.start()
      timer.reset(10, 'first')
      timer.stop()
      timer.softReset(20, 'second')
      await clock.advance(20)
      expect(seen).to.deep.equal(['second'])
    })
  })

  describe('stop', () => {
    it('ends the countdown and leaves nothing on the clock', async () => {
      const { clock, manager, seen, timer } = fixture()
      await manager.start()
      timer.reset(10, 'up')
      timer.stop()
      timer.stop()
      expect([clock.pending, timer.isRunning]).to.deep.equal([0, false])
      await clock.advance(100)
      expect(seen).to.deep.equal([])
    })

    it('from the receiver takes back an expiry that waits behind the event', async () => {
      const { clock, manager, seen, timer } = fixture()
      manager.setReceiver((event) => {
        seen.push(event)
        if (event === 'before') timer.stop()
        return undefined
      })
      manager.tryQueue('before')
      timer.reset(1, 'up')
      await clock.advance(1)
      manager.tryQueue('after')
      await manager.start()
      await turn()
      expect(seen).to.deep.equal(['before', 'after'])
    })
  })

  describe('halt', () => {
    it('takes back an event that has fired and was not delivered', async () => {
      const { clock, manager, seen, timer } = fixture()
      timer.reset(1, 'fired')
      await clock.advance(1)
      timer.halt()
      await manager.start()
      await clock.advance(100)
      expect(seen).to.deep.equal([])
    })

    it('is final: nothing starts the timer again', async () => {
      const { clock, manager, seen, timer } = fixture()
      await manager.start()
      timer.halt()
      timer.reset(1, 'reset')
      expect([clock.pending, timer.isRunning]).to.deep.equal([0, false])
      timer.softReset(1, 'softReset')
      expect([clock.pending, timer.isRunning]).to.deep.equal([0, false])
      timer.stop()
      timer.halt()
      await clock.advance(100)
      expect(seen).to.deep.equal([])
    })
  })

  describe('isRunning', () => {
    it('is true from the start until the event is delivered', async () => {
      const { clock, manager, timer } = fixture()
      const states = [timer.isRunning]
      timer.reset(1, 'up')
      states.push(timer.isRunning)
      await clock.advance(1)
      states.push(timer.isRunning)
      await manager.start()
      await turn()
      states.push(timer.isRunning)
      expect(states).to.deep.equal([false, true, true, false])
    })

    it('is false once the manager has stopped and its event is lost', async () => {
      for (const capacity of [1, 10]) {
        const { clock, manager, timer } = fixture(capacity)
        manager.tryQueue('fills a queue of one')
        timer.reset(1, 'up')
        await clock.advance(1)
        expect(timer.isRunning, `capacity ${capacity}`).to.equal(true)
        await manager.stop()
        expect(timer.isRunning, `capacity ${capacity}`).to.equal(false)
        timer.reset(1, 'later')
        await clock.advance(1)
        expect(timer.isRunning, 'after a later expiry').to.equal(false)
      }
    })
  })

  describe('on a full queue', () => {
    it('waits for room and loses nothing', async () => {
      const { clock, manager, seen, timer } = fixture(1)
      manager.tryQueue('a')
      timer.reset(1, 'up')
      await clock.advance(1)
      expect(manager.stats()).to.include({ queued: 1, waiting: 1 })
      await manager.start()
      await turn()
      expect(seen).to.deep.equal(['a', 'up'])
      expect(timer.isRunning).to.equal(false)
    })

    it('is taken back where it waits for room', async () => {
      const { clock, manager, seen, timer } = fixture(1)
      manager.tryQueue('a')
      timer.reset(1, 'up')
      await clock.advance(1)
      timer.stop()
      expect(manager.stats()).to.include({ queued: 1, waiting: 0 })
      await manager.start()
      await turn()
      expect(seen).to.deep.equal(['a'])
    })

    it('waits also when no more producers may', async () => {
      const clock = new VirtualClock()
      const { manager, seen } = recording({ capacity: 1, maxWaiting: 1 })
      const timer = createTimer(clock, manager)
      manager.tryQueue('a')
      const wait = manager.queue('b')
      timer.reset(1, 'up')
      await clock.advance(1)
      await manager.start()
      await wait
      await turn()
      expect(seen).to.deep.equal(['a', 'b', 'up'])
    })
  })

  it('behaves as its contract says under any commands, while the manager is busy or free', async () => {
    // The model: what runs is one (event, deadline); it is delivered at the first moment, at or
    // after the deadline, at which the manager is free; softReset leaves it alone; the rest end it.
    const command = fc.oneof(
      fc.record({ reset: fc.integer({ min: 0, max: 10 }) }),
      fc.record({ soft: fc.integer({ min: 0, max: 10 }) }),
      fc.record({ advance: fc.integer({ min: 0, max: 12 }) }),
      fc.constant('stop' as const),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { maxLength: 40 }),
        fc.integer({ min: 0, max: 40 }),
        async (commands, startAt) => {
          const { clock, manager, seen, timer } = fixture()
          const expected: string[] = []
          let running: { event: string; deadline: number } | undefined
          const settle = (): void => {
            if (running === undefined || manager.state !== 'started') return
            if (running.deadline > clock.now()) return
            expected.push(running.event)
            running = undefined
          }
          for (const [index, step] of commands.entries()) {
            if (index === startAt) {
              await manager.start()
              await clock.advance(0)
              settle()
            }
            const event = `${index}`
            if (step === 'stop') {
              timer.stop()
              running = undefined
            } else if ('reset' in step) {
              timer.reset(step.reset, event)
              running = { event, deadline: clock.now() + step.reset }
            } else if ('soft' in step) {
              timer.softReset(step.soft, event)
              running ??= { event, deadline: clock.now() + step.soft }
            } else {
              await clock.advance(step.advance)
              settle()
            }
            expect(timer.isRunning, `after ${index}`).to.equal(running !== undefined)
            expect(seen, `after ${index}`).to.deep.equal(expected)
          }
        },
      ),
      { seed: 4, numRuns: 300 },
    )
  })
})
