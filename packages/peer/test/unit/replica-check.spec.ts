import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { Conditions } from '../../src/node/conditions.ts'
import { longViewChangeMs, maxBehind, replicaCheck } from '../../src/node/replica-check.ts'
import type { Replica, ReplicaStatus } from '@heddle/pbft'

const idle: ReplicaStatus = {
  ...{ id: 0, n: 4, f: 1, view: 0n, primary: 0, activeView: true, lowWatermark: 0n },
  ...{ highWatermark: 0n, lastExecuted: 7n, highestKnown: 7n, accepted: 7n, transferring: false },
  ...{ pendingRequests: 0, oldestRequestMs: 0, notVoting: undefined, isAsking: false },
  ...{ heardBy: [], forgetful: [] },
}

describe('the check of the replica', () => {
  function checking() {
    const clock = new VirtualClock()
    const conditions = new Conditions({ clock })
    const replica = { now: idle, state: 'started' as Replica['state'], status: () => replica.now }
    const at = { isStarting: false }
    const isStarting = (): boolean => at.isStarting
    const check = replicaCheck({ replica, isStarting, conditions, clock })
    const said = () => {
      check()
      return conditions.current.map(({ condition, reason }) => [condition, reason])
    }
    return { at, replica, said, clock }
  }

  it('says nothing of one that runs and votes', () => {
    expect(checking().said()).to.deep.equal([])
  })

  it('says that it does not run, and why it does not vote', () => {
    const { replica, said } = checking()
    replica.state = 'stopping'
    expect(said()).to.deep.equal([['consensus-stopped', 'the replica is stopping']])
    replica.state = 'started'
    replica.now = { ...idle, notVoting: 'the journal is empty' }
    expect(said()).to.deep.equal([['not-voting', 'the journal is empty']])
    replica.now = idle
    expect(said()).to.deep.equal([])
  })

  it('says that it asks the others once it should have started, not before', () => {
    const { at, replica, said } = checking()
    replica.now = { ...idle, notVoting: 'it asks', isAsking: true }
    at.isStarting = true
    expect(said()).to.deep.equal([])
    at.isStarting = false
    expect(said()).to.deep.equal([['not-voting', 'it asks']])
    at.isStarting = true
    replica.now = { ...idle, notVoting: 'the journal is empty' }
    expect(said(), 'that is known').to.deep.equal([['not-voting', 'the journal is empty']])
  })

  it('says that it does not run when it should have started, or stops', () => {
    const { at, replica, said } = checking()
    at.isStarting = true
    replica.state = 'starting'
    expect(said()).to.deep.equal([])
    replica.state = 'stopping'
    expect(said()).to.deep.equal([['consensus-stopped', 'the replica is stopping']])
    at.isStarting = false
    replica.state = 'starting'
    expect(said()).to.deep.equal([['consensus-stopped', 'the replica is starting']])
  })

  it('says that it was set back when others heard more from it, and what helps when others were, too', () => {
    const { replica, said } = checking()
    replica.now = { ...idle, notVoting: 'others heard more', heardBy: [0, 1] }
    expect(said()).to.deep.equal([['rolled-back', 'others heard more']])
    replica.now = { ...idle, notVoting: 'the journal is empty', forgetful: [0, 2] }
    expect(said()).to.deep.equal([
      [
        'not-voting',
        'the journal is empty; nor do validators 0, 2: if all were set back, start all with --accept-lost-blocks',
      ],
    ])
  })

  it(`says that it waits for a view after ${longViewChangeMs} ms, not before, until it has begun`, async () => {
    const { replica, said, clock } = checking()
    replica.now = { ...idle, view: 3n, activeView: false }
    expect(said()).to.deep.equal([])
    await clock.advance(longViewChangeMs - 1)
    expect(said()).to.deep.equal([])
    await clock.advance(1)
    const reason = 'waits for view 3, in which it votes once the others enter it'
    expect(said()).to.deep.equal([['not-voting', reason]])
    replica.now = { ...idle, view: 3n }
    expect(said()).to.deep.equal([])
    replica.now = { ...idle, view: 4n, activeView: false }
    expect(said(), 'timed anew').to.deep.equal([])
  })

  it('does not believe one that names a number in a window of more than that', () => {
    const { replica, said } = checking()
    const window = 2n * maxBehind
    const wide = { ...idle, lowWatermark: 7n, highWatermark: 7n + window }
    replica.now = { ...wide, highestKnown: 7n + window }
    expect(said()).to.deep.equal([])
    replica.now = { ...wide, highestKnown: 8n + window }
    expect(said().map(([condition]) => condition)).to.deep.equal(['behind'])
  })

  it(`says that it is ${maxBehind} batches behind the others, not before`, () => {
    const { replica, said } = checking()
    replica.now = { ...idle, highestKnown: 7n + maxBehind - 1n }
    expect(said()).to.deep.equal([])
    replica.now = { ...idle, highestKnown: 7n + maxBehind }
    const reason = '60 batches behind the others: 7 of 67 are executed'
    expect(said()).to.deep.equal([['behind', reason]])
    replica.now = { ...idle, lowWatermark: 7n + maxBehind }
    expect(said(), 'a stable checkpoint').to.deep.equal([['behind', reason]])
  })
})
