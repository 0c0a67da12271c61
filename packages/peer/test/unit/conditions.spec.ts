import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { conditionKinds } from '../../src/node/condition-kinds.ts'
import { Conditions, hold, maxLinesPerMinute } from '../../src/node/conditions.ts'
import { Watch, watchIntervalMs } from '../../src/node/watch.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import { RecordingLogger } from '../support/recording-logger.ts'

const noon = Date.UTC(2026, 0, 1, 12)

function registry() {
  const clock = new VirtualClock({ wallTimeMs: noon })
  const logger = new RecordingLogger()
  const metrics = createMetrics()
  const conditions = new Conditions({ clock, logger, metrics })
  const metric = async (name: string): Promise<number> => {
    const line = (await metrics.text())
      .split('\n')
      .find((each) => each.startsWith(`heddle_condition{condition="${name}"`))
    return Number(line?.split(' ').at(-1))
  }
  const reasons = () => conditions.current.map(({ reason }) => reason)
  return { clock, logger, conditions, metric, reasons }
}

describe('the conditions of a validator', () => {
  it('are told once in the log with the cure, counted, and listed since when', async () => {
    const { clock, logger, conditions, metric } = registry()
    expect(await metric('fork'), 'there is a metric before anything happens').to.equal(0)
    conditions.raise('fork', { reason: 'block 7 is another', fields: { block: 7n } })
    await clock.advance(5000)
    conditions.raise('fork', { reason: 'blocks 7 and 8 are others' })
    const { severity, component, cure } = conditionKinds.fork
    expect(logger.lines).to.deep.equal([
      {
        ...{ level: 'warn', event: 'not well' },
        fields: {
          ...{ condition: 'fork', severity, component, cure },
          ...{ block: 7n, reason: 'block 7 is another' },
        },
      },
    ])
    expect(await metric('fork')).to.equal(1)
    expect(conditions.current).to.deep.equal([
      {
        ...{ condition: 'fork', severity, component, cure },
        ...{ reason: 'blocks 7 and 8 are others', since: noon },
      },
    ])
    conditions.clear('fork')
    conditions.clear('fork')
    expect(conditions.current).to.deep.equal([])
    expect(await metric('fork')).to.equal(0)
    expect(logger.lines).to.have.length(2)
    expect(logger.lines[1]).to.deep.include({ level: 'info', event: 'well again' })
    expect(logger.lines[1]?.fields).to.include({ condition: 'fork' })
  })

  it('are held for each subject, failed ones first, then the older ones', async () => {
    const { clock, logger, conditions, metric, reasons } = registry()
    hold(conditions, 'validator-down', { reason: '1 is away' }, 'validator1')
    await clock.advance(1)
    hold(conditions, 'validator-down', { reason: '2 is away' }, 'validator2')
    await clock.advance(1)
    hold(conditions, 'requests-wait', { reason: 'requests wait' })
    expect(reasons()).to.deep.equal(['requests wait', '1 is away', '2 is away'])
    expect(await metric('validator-down')).to.equal(2)
    expect(logger.lines.map(({ fields }) => fields['about'])).to.deep.equal([
      ...['validator1', 'validator2', undefined],
    ])
    hold(conditions, 'validator-down', undefined, 'validator1')
    hold(conditions, 'validator-down', undefined)
    hold(conditions, 'requests-wait', undefined)
    expect(reasons()).to.deep.equal(['2 is away'])
  })

  it('that come and go begin only so often in the log in a minute', async () => {
    const { clock, logger, conditions, reasons } = registry()
    const flap = async (): Promise<void> => {
      conditions.raise('behind', { reason: 'behind' })
      expect(reasons()).to.deep.equal(['behind'])
      conditions.clear('behind')
      await clock.advance(1000)
    }
    for (let times = 0; times < 60; times++) await flap()
    expect(logger.lines).to.have.length(2 * maxLinesPerMinute)
    await flap()
    expect(logger.lines.map(({ event }) => event).slice(-2)).to.deep.equal([
      ...['not well', 'well again'],
    ])
    expect(logger.lines).to.have.length(2 * maxLinesPerMinute + 2)
  })

  it('of a moment are over when they were not raised again for as long as they last', async () => {
    const { clock, logger, conditions, metric, reasons } = registry()
    const raise = (): void =>
      conditions.raise('member-lies', { reason: 'it lied', subject: 'validator1', lastsMs: 5000 })
    raise()
    await clock.advance(4999)
    raise()
    await clock.advance(4999)
    expect(reasons()).to.deep.equal(['it lied'])
    await clock.advance(1)
    conditions.settle()
    expect(await metric('member-lies')).to.equal(0)
    expect(logger.lines.map(({ event }) => event)).to.deep.equal(['not well', 'well again'])
    raise()
    await clock.advance(5000)
    raise()
    expect(conditions.current[0]?.since, 'it is another').to.equal(clock.wallTime())
  })
})

describe('the watch', () => {
  it('looks at once, then every second, in order, and whenever it is asked, until it is stopped', async () => {
    const clock = new VirtualClock()
    const looks: string[] = []
    const checks = ['a', 'b'].map((name) => () => void looks.push(name))
    const watch = new Watch(clock, checks)
    await watch.start()
    await watch.start()
    expect(watch.state).to.equal('started')
    await clock.advance(watchIntervalMs)
    watch.look()
    expect(looks.join('')).to.equal('ababab')
    await watch[Symbol.asyncDispose]()
    await clock.advance(10 * watchIntervalMs)
    expect(looks).to.have.length(6)
    expect(watch.state).to.equal('stopped')
    expect(clock.pending, 'no timer is left').to.equal(0)
  })
})
