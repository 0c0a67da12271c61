import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { create, heddle } from '@heddle/proto'
import { windowMs } from '../../src/node/clock-watch.ts'
import { Conditions } from '../../src/node/conditions.ts'
import { SettingsWatch } from '../../src/node/settings-watch.ts'

const defaults = {
  'pbft.general.batchsize': 500,
  'pbft.general.maxBatchBytes': 8_388_608,
  'general.maxEnvelopeBytes': 1_048_576,
  'pbft.general.k': 10,
  'pbft.general.logmultiplier': 4,
}
type Settings = typeof defaults

/** Two validators, the second with other settings. */
function pair(other: Partial<Settings>) {
  const clock = new VirtualClock()
  const make = (config: Settings) => {
    const conditions = new Conditions({ clock })
    return { conditions, watch: new SettingsWatch({ config, conditions, lastsMs: windowMs }) }
  }
  const nodes = [make(defaults), make({ ...defaults, ...other })] as const
  const [zero, one] = nodes
  const tell = (): void => {
    zero.watch.receive(1, one.watch.told)
    one.watch.receive(0, zero.watch.told)
  }
  const reasons = (): string[][] =>
    nodes.map(({ conditions }) => conditions.current.map(({ reason }) => reason))
  return { clock, zero, tell, reasons }
}

describe('settings that all validators must have alike', () => {
  it('are not named when they are', () => {
    const { tell, reasons } = pair({})
    tell()
    expect(reasons()).to.deep.equal([[], []])
  })

  for (const key of Object.keys(defaults) as (keyof Settings)[])
    it(`are named on both sides with both values when they differ: ${key}`, () => {
      const { tell, reasons } = pair({ [key]: 7 })
      tell()
      expect(reasons()).to.deep.equal([
        [`validator1 has ${key} 7, here ${defaults[key]}`],
        [`validator0 has ${key} ${defaults[key]}, here 7`],
      ])
    })

  it('are named together, once for each validator', () => {
    const { tell, reasons } = pair({ 'pbft.general.k': 7, 'pbft.general.batchsize': 10 })
    tell()
    tell()
    expect(reasons()[0]).to.deep.equal([
      'validator1 has pbft.general.batchsize 10, here 500; pbft.general.k 7, here 10',
    ])
  })

  it('are named no more when that validator has the same, or speaks no more', async () => {
    const { clock, zero, tell, reasons } = pair({ 'pbft.general.k': 7 })
    tell()
    zero.watch.receive(1, zero.watch.told)
    expect(reasons()[0], 'has the same').to.deep.equal([])
    tell()
    await clock.advance(windowMs)
    expect(reasons()[0], 'is silent').to.deep.equal([])
  })

  it('are not judged where a version does not tell them', () => {
    const { zero, reasons } = pair({})
    zero.watch.receive(1, create(heddle.WallTimeSchema, {}))
    expect(reasons()[0]).to.deep.equal([])
  })
})
