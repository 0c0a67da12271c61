import { VirtualClock } from '@heddle/events/testing'
import { RecordingLogger, RecordingMetrics } from '@heddle/interface/testing'
import { expect } from 'chai'
import { RefusalLog } from '../../src/index.ts'
import { maxRefusalText } from '../../src/refusal-log.ts'

describe('RefusalLog', () => {
  const clock = new VirtualClock()
  const logger = new RecordingLogger()
  const metrics = new RecordingMetrics()
  const log = new RefusalLog(
    { clock, logger, metrics },
    { port: 'gossip', maxRefusalLinesPerMinute: 3 },
  )
  const refuse = (count: number): void => {
    for (let i = 0; i < count; i += 1)
      log.refused('connection refused', { address: 'a', reason: 'r' })
  }
  const lines = (event: string): number =>
    logger.lines.filter((line) => line.level === 'warn' && line.event === event).length

  it('writes each refusal, with port, address and reason, up to the bound of a minute', async () => {
    refuse(2)
    expect(logger.lines.map(({ fields }) => fields)).to.deep.equal(
      Array(2).fill({ port: 'gossip', address: 'a', reason: 'r' }),
    )
    await clock.advance(20_000)
    refuse(1)
    expect(lines('connection refused')).to.equal(3)
    expect(metrics.get('listener_refusals_not_logged_total gossip')).to.equal(0)
  })

  it('says at the bound for how long it is silent, and counts what it does not write', async () => {
    expect(logger.lines.at(-1)).to.deep.equal({
      level: 'warn',
      event: 'further refusals are counted only',
      fields: { port: 'gossip', forMs: 40_000 },
    })
    refuse(7)
    await clock.advance(39_999)
    refuse(1)
    expect(lines('connection refused')).to.equal(3)
    expect(metrics.get('listener_refusals_total gossip')).to.equal(11)
    expect(metrics.get('listener_refusals_not_logged_total gossip')).to.equal(8)
  })

  it('writes again when the minute is over', async () => {
    await clock.advance(1)
    refuse(4)
    expect(lines('connection refused')).to.equal(6)
    expect(lines('further refusals are counted only')).to.equal(2)
    expect(metrics.get('listener_refusals_not_logged_total gossip')).to.equal(9)
  })

  it('keeps maxRefusalText characters of a text, and says how many are missing', () => {
    const own = new RecordingLogger()
    const bounding = new RefusalLog(
      { clock, logger: own, metrics },
      { port: 'gossip', maxRefusalLinesPerMinute: 3 },
    )
    const written = (length: number): unknown => {
      bounding.refused('connection refused', { address: 'a', reason: '\u0001'.repeat(length) })
      return own.lines.at(-1)?.fields['reason']
    }
    const most = '\u0001'.repeat(maxRefusalText)
    expect(written(maxRefusalText)).to.equal(most)
    expect(written(maxRefusalText + 1)).to.equal(`${most}… (1 characters more)`)
  })
})
