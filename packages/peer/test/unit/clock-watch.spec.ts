import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { create, encode, heddle } from '@heddle/proto'
import { ClockWatch, maxOffsetMs, repeatMs, tellIntervalMs } from '../../src/node/clock-watch.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { Clock } from '@heddle/interface'

const noon = Date.UTC(2026, 0, 1, 12)

/** Two validators whose clocks differ. */
class Pair {
  readonly loggers = [new RecordingLogger(), new RecordingLogger()] as const
  readonly watches: readonly ClockWatch[]
  readonly #time = new VirtualClock({ wallTimeMs: noon })

  constructor(offsetMs: number) {
    this.watches = [0, offsetMs].map((ahead, index) => {
      const clock: Clock = {
        now: () => this.#time.now(),
        wallTime: () => this.#time.wallTime() + ahead,
        schedule: (ms, callback) => this.#time.schedule(ms, callback),
      }
      const tell = (bytes: Uint8Array): void => this.watches[1 - index]!.receive(index, bytes)
      return new ClockWatch({ clock, tell, logger: this.loggers[index]! })
    })
  }

  async run(): Promise<void> {
    for (const watch of this.watches) await watch.start()
    await this.#time.advance(10 * tellIntervalMs)
  }

  reasons(): string[][] {
    return this.watches.map(({ problems }) => problems.map(({ reason }) => reason))
  }
}

function wallTime(unixMs: number | bigint): Uint8Array {
  return encode(heddle.WallTimeSchema, create(heddle.WallTimeSchema, { unixMs: BigInt(unixMs) }))
}

describe('ClockWatch', () => {
  it('names a clock that is behind on both sides, with how much, in one warning each', async () => {
    const pair = new Pair(-3 * 3_600_000)
    await pair.run()
    expect(pair.reasons()).to.deep.equal([
      ['the clock of validator1 is 10800 s behind ours'],
      ['the clock of validator0 is 10800 s ahead of ours'],
    ])
    const [first, second] = pair.loggers.map(({ lines }) => lines)
    expect(
      first!.map(({ level, fields }) => [level, fields['validator'], fields['seconds']]),
    ).to.deep.equal([['warn', 'validator1', -10_800]])
    expect(
      second!.map(({ level, fields }) => [level, fields['validator'], fields['seconds']]),
    ).to.deep.equal([['warn', 'validator0', 10_800]])
    expect(first![0]!.fields['ours']).to.match(/^2026-01-01T12:00:\d\d/)
  })

  it(`says nothing up to ${maxOffsetMs} ms, and something beyond`, async () => {
    for (const offset of [maxOffsetMs, -maxOffsetMs]) {
      const pair = new Pair(offset)
      await pair.run()
      expect(pair.reasons(), `${offset}`).to.deep.equal([[], []])
    }
    for (const offset of [maxOffsetMs + 1, -maxOffsetMs - 1]) {
      const pair = new Pair(offset)
      await pair.run()
      expect(
        pair.reasons().map(({ length }) => length),
        `${offset}`,
      ).to.deep.equal([1, 1])
    }
  })

  it('takes what was long under way for no clock that is behind', async () => {
    const clock = new VirtualClock({ wallTimeMs: noon })
    const watch = new ClockWatch({ clock, tell: () => undefined })
    // This process stood still for a minute: all of it comes at once, then what is new.
    await clock.advance(60_000)
    for (let sent = 0; sent < 60_000; sent += tellIntervalMs)
      watch.receive(1, wallTime(noon + sent))
    for (let round = 0; round < 5; round++) {
      await clock.advance(tellIntervalMs)
      watch.receive(1, wallTime(clock.wallTime()))
      expect(watch.problems).to.deep.equal([])
    }
  })

  it('says when a clock was set right, and that it is wrong again only after a while', async () => {
    const clock = new VirtualClock({ wallTimeMs: noon })
    const logger = new RecordingLogger()
    const watch = new ClockWatch({ clock, tell: () => undefined, logger })
    const say = async (offsetMs: number): Promise<void> => {
      for (let round = 0; round < 5; round++) {
        await clock.advance(tellIntervalMs)
        watch.receive(2, wallTime(clock.wallTime() + offsetMs))
      }
    }
    await say(40_000)
    await say(0)
    expect(watch.problems).to.deep.equal([])
    await say(40_000)
    expect(watch.problems).to.have.length(1)
    expect(logger.lines.map(({ level }) => level)).to.deep.equal(['warn', 'info'])
    await say(0)
    await clock.advance(repeatMs)
    await say(40_000)
    expect(logger.lines.map(({ level }) => level)).to.deep.equal(['warn', 'info', 'info', 'warn'])
  })

  it('hears whoever talks all the time no more often, and any number', async () => {
    const clock = new VirtualClock({ wallTimeMs: noon })
    const watch = new ClockWatch({ clock, tell: () => undefined })
    for (let round = 0; round < 1000; round++) watch.receive(3, wallTime(round))
    for (let round = 0; round < 4; round++) {
      await clock.advance(tellIntervalMs)
      watch.receive(3, wallTime(2n ** 64n - 1n))
    }
    expect(watch.problems).to.have.length(1)
    expect(() => watch.receive(3, Buffer.from([0xff]))).to.throw()
  })

  it('tells nobody any more when it was stopped', async () => {
    const clock = new VirtualClock()
    let told = 0
    const watch = new ClockWatch({ clock, tell: () => told++ })
    await watch.start()
    await watch.start()
    await clock.advance(tellIntervalMs)
    await watch.stop()
    await clock.advance(10 * tellIntervalMs)
    expect(told).to.equal(2)
    expect(clock.pending).to.equal(0)
  })
})
