import { expect } from 'chai'
import { maxOffsetMs } from '@heddle/client'
import { VirtualClock } from '@heddle/events/testing'
import { create, encode, heddle } from '@heddle/proto'
import { ClockWatch, tellIntervalMs } from '../../src/node/clock-watch.ts'
import { Conditions } from '../../src/node/conditions.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { Clock } from '@heddle/interface'

/** Which processes speak is not the matter here. */
const processes = {
  told: { process: 0n, heard: [] },
  isOther: () => false,
  receive: () => undefined,
}
/** Nor what they have alike. */
const settings = { told: { settings: undefined }, receive: () => undefined }

const noon = Date.UTC(2026, 0, 1, 12)

/** Two validators whose clocks differ. */
class Pair {
  readonly loggers = [new RecordingLogger(), new RecordingLogger()] as const
  readonly watches: readonly ClockWatch[]
  readonly #conditions: readonly Conditions[]
  readonly #time = new VirtualClock({ wallTimeMs: noon })

  constructor(offsetMs: number) {
    const clocks = [0, offsetMs].map((ahead): Clock => ({
      now: () => this.#time.now(),
      wallTime: () => this.#time.wallTime() + ahead,
      schedule: (ms, callback) => this.#time.schedule(ms, callback),
    }))
    this.#conditions = clocks.map(
      (clock, index) => new Conditions({ clock, logger: this.loggers[index]! }),
    )
    this.watches = clocks.map((clock, index) => {
      const tell = (bytes: Uint8Array): void => this.watches[1 - index]!.receive(index, bytes)
      const conditions = this.#conditions[index]!
      return new ClockWatch({ clock, tell, conditions, processes, settings })
    })
  }

  async run(): Promise<void> {
    for (const watch of this.watches) await watch.start()
    for (let round = 0; round < 10; round++) {
      await this.#time.advance(tellIntervalMs)
      for (const watch of this.watches) watch.look()
    }
  }

  reasons(): string[][] {
    return this.#conditions.map(({ current }) => current.map(({ reason }) => reason))
  }
}

/** One watch, and what it says. */
function single() {
  const clock = new VirtualClock({ wallTimeMs: noon })
  const metrics = createMetrics()
  const conditions = new Conditions({ clock })
  let told = 0
  const watch = new ClockWatch({
    clock,
    tell: () => told++,
    conditions,
    metrics,
    processes,
    settings,
  })
  const named = (): number => {
    watch.look()
    return conditions.current.length
  }
  const offset = async (): Promise<string | undefined> =>
    (await metrics.text())
      .split('\n')
      .find((line) => line.startsWith('heddle_clock_offset_seconds{'))
  return { clock, watch, named, offset, told: () => told }
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
      first!.map(({ level, fields }) => [level, fields['about'], fields['seconds']]),
    ).to.deep.equal([['warn', 'validator1', -10_800]])
    expect(
      second!.map(({ level, fields }) => [level, fields['about'], fields['seconds']]),
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
    const { clock, watch, named } = single()
    // This process stood still for a minute: all of it comes at once, then what is new.
    await clock.advance(60_000)
    for (let sent = 0; sent < 60_000; sent += tellIntervalMs)
      watch.receive(1, wallTime(noon + sent))
    for (let round = 0; round < 5; round++) {
      await clock.advance(tellIntervalMs)
      watch.receive(1, wallTime(clock.wallTime()))
      expect(named()).to.equal(0)
    }
  })

  it('knows within 10 s, shows by how much, and that a clock was set right or tells no more', async () => {
    const { clock, watch, named, offset } = single()
    const say = async (offsetMs: number, forMs: number): Promise<void> => {
      for (let ms = 0; ms < forMs; ms += tellIntervalMs) {
        await clock.advance(tellIntervalMs)
        watch.receive(2, wallTime(clock.wallTime() + offsetMs))
      }
    }
    await say(-40_000, 10_000)
    expect(named()).to.equal(1)
    expect(await offset()).to.match(/validator="validator2"} -40$/)
    await say(0, 10_000)
    expect(named()).to.equal(0)
    await say(40_000, 10_000)
    expect(named()).to.equal(1)
    await clock.advance(10_000)
    expect(named(), 'of one that is gone nothing is known').to.equal(0)
    expect(await offset()).to.match(/ 0$/)
  })

  it('hears whoever talks all the time no more often, and any number', async () => {
    const { clock, watch, named } = single()
    for (let round = 0; round < 1000; round++) watch.receive(3, wallTime(round))
    for (let round = 0; round < 4; round++) {
      await clock.advance(tellIntervalMs)
      watch.receive(3, wallTime(2n ** 64n - 1n))
    }
    expect(named()).to.equal(1)
    expect(() => watch.receive(3, Buffer.from([0xff]))).to.throw()
  })

  it('tells nobody any more when it was stopped', async () => {
    const { clock, watch, told } = single()
    await watch.start()
    await watch.start()
    await clock.advance(tellIntervalMs)
    await watch.stop()
    await clock.advance(10 * tellIntervalMs)
    expect(told()).to.equal(2)
    expect(clock.pending).to.equal(0)
  })
})
