import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { createMetrics } from '../../src/operations/metrics.ts'
import { findStandstill, standstillLimits } from '../../src/node/standstill.ts'
import { Conditions } from '../../src/node/conditions.ts'
import { StandstillCheck } from '../../src/node/standstill-check.ts'
import { watchIntervalMs } from '../../src/node/watch.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { UnsignedBlock } from '@heddle/orderer'
import type { ReplicaStatus } from '@heddle/pbft'
import type { Facts } from '../../src/node/standstill.ts'

const { differingMs, unsignedMs, requestMs, transferMs } = standstillLimits

const idle: ReplicaStatus = {
  ...{ id: 0, n: 4, f: 1, view: 5n, primary: 1, activeView: true },
  ...{ lowWatermark: 0n, highWatermark: 40n, lastExecuted: 11n, accepted: 0n, highestKnown: 11n },
  ...{
    transferring: false,
    pendingRequests: 0,
    oldestRequestMs: 0,
    notVoting: undefined,
    isAsking: false,
  },
  ...{ heardBy: [], forgetful: [] },
}

function find(change: Partial<Facts>, replica: Partial<ReplicaStatus> = {}) {
  const none = { unsigned: undefined, quietMs: 0, transferringMs: 0 }
  const facts = { ...none, height: 12n, replica: { ...idle, ...replica } }
  return findStandstill({ ...facts, ...change }, standstillLimits)
}

function block(waitingMs: number, signed: number[], differing: number[] = []): UnsignedBlock {
  return { number: 12n, waitingMs, signed, differing, outvotedBy: [] }
}

describe('a standstill', () => {
  it('is none while nothing is to be done, however long', () => {
    expect(find({ quietMs: 1e9 })).to.equal(undefined)
  })

  it('is a block that f + 1 others signed with other results, from differingMs on', () => {
    expect(find({ unsigned: block(differingMs - 1, [1, 2], [3, 4]) })).to.equal(undefined)
    expect(find({ unsigned: block(differingMs, [1, 2], [3, 4]) })).to.deep.equal({
      condition: 'results-differ',
      reason:
        'results of block 12 differ from those of validators 2, 3; it has lacked a quorum of signatures for 1 s',
      ...{ block: 12n, forMs: differingMs, validators: [2, 3] },
    })
  })

  it('is not what f others alone sign: they may lie', () => {
    expect(find({ unsigned: block(unsignedMs - 1, [1, 2], [4]) })).to.equal(undefined)
    expect(find({ unsigned: block(differingMs, [1], [2, 3]) }, { n: 7 })).to.equal(undefined)
    expect(find({ unsigned: block(differingMs, [1], [2, 3, 4]) }, { n: 7 })).to.not.equal(undefined)
  })

  it('is a block without a quorum of signatures, from unsignedMs on, and names who is missing', () => {
    expect(find({ unsigned: block(unsignedMs - 1, [1, 2]) })).to.equal(undefined)
    expect(find({ unsigned: block(unsignedMs, [1, 2], [4]) })).to.deep.equal({
      condition: 'block-unsigned',
      reason:
        'block 12 has had 2 of 3 signatures for 5 s: those of validators 2, 3 are missing (validator 3 signed other results)',
      ...{ block: 12n, forMs: unsignedMs, validators: [2, 3] },
    })
  })

  it('is a request that waits while nothing is executed, from requestMs on', () => {
    const waiting = { pendingRequests: 3, oldestRequestMs: 1e9 }
    expect(find({ quietMs: requestMs - 1 }, waiting), 'others are executed').to.equal(undefined)
    const fresh = { ...waiting, oldestRequestMs: requestMs - 1 }
    expect(find({ quietMs: 1e9 }, fresh), 'it has just come').to.equal(undefined)
    expect(find({ quietMs: requestMs }, { ...waiting, activeView: false })).to.deep.equal({
      condition: 'requests-wait',
      reason:
        '3 requests wait, and nothing has been ordered for 6 s: view 5 (changing), primary validator 1',
      ...{ block: 12n, forMs: requestMs, validators: [1] },
    })
  })

  it('is a state transfer that brings nothing, from transferMs on', () => {
    const transferringMs = transferMs
    expect(find({ quietMs: transferMs - 1, transferringMs })).to.equal(undefined)
    expect(find({ quietMs: 1e9, transferringMs: transferMs - 1 }), 'it has begun').to.equal(
      undefined,
    )
    expect(find({ quietMs: transferMs, transferringMs })).to.deep.equal({
      condition: 'transfer-stuck',
      reason: 'the state transfer has brought nothing for 15 s; block 12 is next',
      ...{ block: 12n, forMs: transferMs, validators: [] },
    })
  })

  it('is told by its nearest cause', () => {
    const waiting = { pendingRequests: 1, oldestRequestMs: 1e9 }
    const all = { quietMs: 1e9, unsigned: block(1e9, [1], [2, 3]) }
    expect(find(all, waiting)?.reason).to.match(/^results of block 12 differ/)
    expect(find({ ...all, unsigned: block(1e9, [1]) }, waiting)?.reason).to.match(/^block 12 has/)
    expect(find({ quietMs: 1e9, transferringMs: 1e9 }, waiting)?.condition).to.equal(
      'transfer-stuck',
    )
  })
})

describe('the check for a standstill', () => {
  function checking() {
    const clock = new VirtualClock()
    const logger = new RecordingLogger()
    const metrics = createMetrics()
    const conditions = new Conditions({ clock, logger })
    const ledger = { height: 12n }
    const replica = { now: { ...idle }, status: () => replica.now }
    const collector = { oldestOpen: undefined as UnsignedBlock | undefined, openBlocks: 0 }
    const check = new StandstillCheck({ clock, conditions, metrics, ledger, replica, collector })
    check.look()
    const advance = async (ms: number): Promise<void> => {
      await clock.advance(ms)
      check.look()
    }
    const metric = async (name: string): Promise<string | undefined> =>
      (await metrics.text()).split('\n').find((line) => line.startsWith(name))
    const names = () => conditions.current.map(({ condition }) => condition)
    return { advance, logger, ledger, replica, collector, check, metric, names }
  }

  it('tells block, seconds and validators, the nearest cause alone, and when it is over', async () => {
    const { advance, logger, collector, replica, names } = checking()
    replica.now = { ...idle, pendingRequests: 1, oldestRequestMs: 1e9 }
    collector.oldestOpen = block(6000, [1, 2], [3, 4])
    await advance(1e6)
    expect(names()).to.deep.equal(['results-differ'])
    const fields = { block: 12n, seconds: 6, validators: [2, 3] }
    expect(logger.lines[0]?.fields).to.deep.include({ ...fields, condition: 'results-differ' })
    collector.oldestOpen = block(6000, [1, 2])
    await advance(1)
    expect(names()).to.deep.equal(['block-unsigned'])
    collector.oldestOpen = undefined
    await advance(1)
    expect(names()).to.deep.equal(['requests-wait'])
    replica.now = { ...replica.now, lastExecuted: 12n }
    await advance(1)
    expect(names()).to.deep.equal([])
  })

  it('begins anew with each block, and with each sequence number', async () => {
    const { advance, ledger, replica, check, names } = checking()
    replica.now = { ...idle, pendingRequests: 1, oldestRequestMs: 1e9 }
    await advance(requestMs - 1)
    ledger.height = 13n
    expect(check.ages.lastBlockMs).to.equal(0)
    await advance(requestMs - 1)
    replica.now = { ...replica.now, lastExecuted: 12n }
    check.look()
    expect(names()).to.deep.equal([])
    expect(check.ages.lastBlockMs, 'no block came').to.equal(requestMs - 1)
    await advance(requestMs - 1)
    expect(names()).to.deep.equal([])
    await advance(1)
    expect(names()).to.deep.equal(['requests-wait'])
  })

  it('counts a transfer from its beginning, whatever was before', async () => {
    const { advance, replica, names } = checking()
    await advance(1e6)
    replica.now = { ...idle, transferring: true }
    await advance(0)
    await advance(transferMs - 1)
    expect(names()).to.deep.equal([])
    await advance(1)
    expect(names()).to.deep.equal(['transfer-stuck'])
    replica.now = idle
    await advance(0)
    replica.now = { ...idle, transferring: true }
    await advance(0)
    expect(names(), 'another one').to.deep.equal([])
  })

  it('shows ages in the metrics', async () => {
    const { advance, replica, collector, check, metric } = checking()
    replica.now = { ...idle, pendingRequests: 1, oldestRequestMs: 2500 }
    Object.assign(collector, { oldestOpen: block(5000, [1]), openBlocks: 2 })
    await advance(watchIntervalMs)
    expect(await metric('heddle_last_block_age_seconds')).to.match(/ 1$/)
    expect(await metric('heddle_oldest_request_age_seconds')).to.match(/ 2.5$/)
    expect(await metric('heddle_oldest_unsigned_block_age_seconds')).to.match(/ 5$/)
    expect(check.ages).to.include({ unsignedBlocks: 2 })
  })
})
