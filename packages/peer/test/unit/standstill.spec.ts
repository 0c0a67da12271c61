import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { createMetrics } from '../../src/operations/metrics.ts'
import { findStandstill, standstillLimits } from '../../src/node/standstill.ts'
import { StandstillWatch, watchIntervalMs } from '../../src/node/standstill-watch.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { UnsignedBlock } from '@heddle/orderer'
import type { ReplicaStatus } from '@heddle/pbft'
import type { Facts } from '../../src/node/standstill.ts'

const { differingMs, unsignedMs, requestMs, transferMs } = standstillLimits

const idle: ReplicaStatus = {
  ...{ id: 0, n: 4, f: 1, view: 5n, primary: 1, activeView: true },
  ...{ lowWatermark: 0n, highWatermark: 40n, lastExecuted: 11n, highestKnown: 11n },
  ...{ transferring: false, pendingRequests: 0, oldestRequestMs: 0, notVoting: undefined },
}

function find(change: Partial<Facts>, replica: Partial<ReplicaStatus> = {}) {
  const facts = { height: 12n, unsigned: undefined, quietMs: 0, replica: { ...idle, ...replica } }
  return findStandstill({ ...facts, ...change }, standstillLimits)
}

function block(waitingMs: number, signed: number[], differing: number[] = []): UnsignedBlock {
  return { number: 12n, waitingMs, signed, differing }
}

describe('a standstill', () => {
  it('is none while nothing is to be done, however long', () => {
    expect(find({ quietMs: 1e9 })).to.equal(undefined)
  })

  it('is a block that f + 1 others signed with other results, from differingMs on', () => {
    expect(find({ unsigned: block(differingMs - 1, [1, 2], [3, 4]) })).to.equal(undefined)
    expect(find({ unsigned: block(differingMs, [1, 2], [3, 4]) })).to.deep.equal({
      component: 'orderer.signatures',
      reason:
        'results of block 12 differ from those of validators 2, 3; it has no quorum of signatures for 1 s',
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
      component: 'orderer.signatures',
      reason:
        'block 12 has 2 of 3 signatures for 5 s: those of validators 2, 3 are missing (validator 3 signed other results)',
      ...{ block: 12n, forMs: unsignedMs, validators: [2, 3] },
    })
  })

  it('is a request that waits while nothing is executed, from requestMs on', () => {
    const waiting = { pendingRequests: 3, oldestRequestMs: 1e9 }
    expect(find({ quietMs: requestMs - 1 }, waiting), 'others are executed').to.equal(undefined)
    const fresh = { ...waiting, oldestRequestMs: requestMs - 1 }
    expect(find({ quietMs: 1e9 }, fresh), 'it has just come').to.equal(undefined)
    expect(find({ quietMs: requestMs }, { ...waiting, activeView: false })).to.deep.equal({
      component: 'consensus.pbft',
      reason:
        '3 requests wait, and nothing has been ordered for 6 s: view 5 (changing), primary validator 1',
      ...{ block: 12n, forMs: requestMs, validators: [1] },
    })
  })

  it('is a state transfer that brings nothing, from transferMs on', () => {
    expect(find({ quietMs: transferMs - 1 }, { transferring: true })).to.equal(undefined)
    expect(find({ quietMs: transferMs }, { transferring: true })).to.deep.equal({
      component: 'ledger.engine',
      reason: 'the state transfer has brought nothing for 15 s; block 12 is next',
      ...{ block: 12n, forMs: transferMs, validators: [] },
    })
  })

  it('is told by its nearest cause', () => {
    const waiting = { pendingRequests: 1, oldestRequestMs: 1e9, transferring: true }
    const all = { quietMs: 1e9, unsigned: block(1e9, [1], [2, 3]) }
    expect(find(all, waiting)?.reason).to.match(/^results of block 12 differ/)
    expect(find({ ...all, unsigned: block(1e9, [1]) }, waiting)?.reason).to.match(/^block 12 has/)
    expect(find({ quietMs: 1e9 }, waiting)?.component).to.equal('ledger.engine')
  })
})

describe('the standstill watch', () => {
  async function watching() {
    const clock = new VirtualClock()
    const logger = new RecordingLogger()
    const metrics = createMetrics()
    const ledger = { height: 12n }
    const replica = { now: { ...idle }, status: () => replica.now }
    const collector = { oldestOpen: undefined as UnsignedBlock | undefined, openBlocks: 0 }
    const watch = new StandstillWatch({ clock, logger, metrics, ledger, replica, collector })
    await watch.start()
    const metric = async (name: string): Promise<string | undefined> =>
      (await metrics.text()).split('\n').find((line) => line.startsWith(name))
    return { clock, logger, ledger, replica, collector, watch, metric }
  }

  it('warns once, with block, seconds and validators, and tells once when it is over', async () => {
    const { clock, logger, collector, watch } = await watching()
    collector.oldestOpen = block(6000, [1, 2], [3, 4])
    await clock.advance(3 * watchIntervalMs)
    expect(logger.lines).to.have.length(1)
    expect(logger.lines[0]).to.deep.include({ level: 'warn', event: 'stands still' })
    expect(logger.lines[0]?.fields).to.deep.include({
      ...{ component: 'orderer.signatures', block: 12n, seconds: 6, validators: [2, 3] },
    })
    expect(watch.standstill).to.have.property('block', 12n)
    collector.oldestOpen = undefined
    expect(watch.standstill, 'who asks hears it at once').to.equal(undefined)
    await clock.advance(3 * watchIntervalMs)
    expect(logger.lines).to.have.length(2)
    expect(logger.lines[1]).to.deep.include({ level: 'info', event: 'goes on' })
    await watch.stop()
    expect(clock.pending, 'no timer is left').to.equal(0)
  })

  it('begins anew with each block, and with each sequence number', async () => {
    const { clock, ledger, replica, watch } = await watching()
    replica.now = { ...idle, pendingRequests: 1, oldestRequestMs: 1e9 }
    await clock.advance(requestMs - 1)
    ledger.height = 13n
    expect(watch.ages.lastBlockMs).to.equal(0)
    await clock.advance(requestMs - 1)
    replica.now = { ...replica.now, lastExecuted: 12n }
    expect(watch.standstill).to.equal(undefined)
    expect(watch.ages.lastBlockMs, 'no block came').to.equal(requestMs - 1)
    await clock.advance(requestMs)
    expect(watch.standstill).to.have.property('forMs', requestMs)
    await watch.stop()
  })

  it('shows ages and what stands still in the metrics', async () => {
    const { clock, replica, collector, watch, metric } = await watching()
    expect(await metric('heddle_standstill{component="orderer.signatures"}')).to.match(/ 0$/)
    replica.now = { ...idle, pendingRequests: 1, oldestRequestMs: 2500 }
    Object.assign(collector, { oldestOpen: block(5000, [1]), openBlocks: 2 })
    await clock.advance(watchIntervalMs)
    expect(await metric('heddle_last_block_age_seconds')).to.match(/ 1$/)
    expect(await metric('heddle_oldest_request_age_seconds')).to.match(/ 2.5$/)
    expect(await metric('heddle_oldest_unsigned_block_age_seconds')).to.match(/ 5$/)
    expect(await metric('heddle_standstill{component="orderer.signatures"}')).to.match(/ 1$/)
    expect(await metric('heddle_standstill{component="consensus.pbft"}')).to.match(/ 0$/)
    expect(watch.ages).to.include({ unsignedBlocks: 2 })
    await watch.stop()
  })
})
