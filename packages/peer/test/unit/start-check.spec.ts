import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { Conditions } from '../../src/node/conditions.ts'
import { StartCheck, startingMs } from '../../src/node/start-check.ts'
import type { Replica, ReplicaStatus } from '@heddle/pbft'

/** One of four validators that starts. */
function starting() {
  const clock = new VirtualClock()
  const conditions = new Conditions({ clock })
  const at = { state: 'started' as Replica['state'], isAsking: true, connected: [1, 2] }
  const check = new StartCheck({
    replica: {
      get state() {
        return at.state
      },
      status: () => at as unknown as ReplicaStatus,
    },
    ...{ others: [1, 2, 3], connected: () => at.connected, clock, conditions },
  })
  const said = (): unknown => {
    check.look()
    const [first] = conditions.current
    return first && [first.condition, first.severity, first.reason]
  }
  return { at, clock, check, said }
}

describe('the check of the start', () => {
  it('says what is lacking until a quorum is connected and has told where this one was', () => {
    const { at, check, said } = starting()
    const saying = (reason: string) => ['starting', 'failed', `it is starting: ${reason}`]
    at.state = 'starting'
    expect(said()).to.deep.equal(saying('its consensus begins'))
    at.state = 'started'
    at.connected = [3]
    expect(said()).to.deep.equal(saying('it is connected with 1 of 2 validators'))
    at.connected = [3, 1]
    expect(said()).to.deep.equal(saying('it asks the others what it said before'))
    expect(check.isStarting).to.equal(true)
    at.isAsking = false
    expect(said()).to.equal(undefined)
    at.connected = []
    expect(said(), 'once it has started').to.equal(undefined)
    expect(check.isStarting).to.equal(false)
  })

  it(`gives way after ${startingMs} ms, not before`, async () => {
    const { clock, check, said } = starting()
    expect(said()).to.not.equal(undefined)
    await clock.advance(startingMs - 1)
    expect(said()).to.not.equal(undefined)
    expect(check.isStarting).to.equal(true)
    await clock.advance(1)
    expect(said()).to.equal(undefined)
    expect(check.isStarting).to.equal(false)
  })
})
