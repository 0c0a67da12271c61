import { expect } from 'chai'
import { RecordingLogger, RecordingMetrics } from '../../src/testing.ts'

describe('RecordingLogger', () => {
  it('keeps lines with level and fields, those of its children among them', () => {
    const logger = new RecordingLogger()
    logger.debug('one')
    logger.child().warn('two', { a: 1 })
    logger.info('three', {})
    logger.error('four', { b: 2 })
    expect(logger.lines).to.deep.equal([
      { level: 'debug', event: 'one', fields: {} },
      { level: 'warn', event: 'two', fields: { a: 1 } },
      { level: 'info', event: 'three', fields: {} },
      { level: 'error', event: 'four', fields: { b: 2 } },
    ])
  })

  it('gives a line that is there, or waits for it', async () => {
    const logger = new RecordingLogger()
    logger.info('came', { of: 'a' })
    const later = logger.line('came', { of: 'b' })
    expect((await logger.line('came')).fields).to.deep.equal({ of: 'a' })
    logger.info('came', { of: 'c' })
    logger.info('came', { of: 'b', more: true })
    expect((await later).fields).to.deep.equal({ of: 'b', more: true })
  })
})

describe('RecordingMetrics', () => {
  it('adds up counters and keeps gauges, each by its labels', () => {
    const metrics = new RecordingMetrics()
    const counter = metrics.counter({ name: 'refusals' })
    counter.add(1, { port: 'a' })
    counter.add(2, { port: 'a' })
    counter.add(4)
    metrics.gauge({ name: 'height' }).set(7)
    metrics.gauge({ name: 'height' }).set(5, { channel: 'x' })
    metrics.histogram().observe(1)
    expect(Object.fromEntries(metrics.values)).to.deep.equal({
      'refusals a': 3,
      refusals: 4,
      height: 7,
      'height x': 5,
    })
    expect(metrics.get('nothing')).to.equal(0)
  })
})
