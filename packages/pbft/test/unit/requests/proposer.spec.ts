import { expect } from 'chai'
import { createTimer } from '@heddle/events'
import { VirtualClock } from '@heddle/events/testing'
import { Proposer } from '../../../src/requests/proposer.ts'
import { requestDigest } from '../../../src/wire/request-batch.ts'
import { RequestPool } from '../../../src/requests/request-pool.ts'

describe('Proposer', () => {
  const setup = (requests: number, core: { room: number; inFlight: number }) => {
    const clock = new VirtualClock()
    const pool = new RequestPool({
      batchSize: 3,
      preferredBatchBytes: 1_000,
      maxPoolRequests: 100,
      maxPoolBytes: 10_000,
    })
    const add = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const request = Buffer.from(`request ${pool.size}`)
        pool.propose(pool.add({ request, digest: requestDigest(request), id: `${pool.size}` }, 0))
      }
    }
    add(requests)
    let woken = 0
    const queue = {
      queueRevocable: () => {
        woken++
        proposer.onDue()
        return { isPending: false, revoke: () => undefined }
      },
    }
    const options = { batchTimeoutMs: 20, pipelineDepth: 2 }
    const proposer = new Proposer(pool, createTimer(clock, queue), options)
    const next = () => proposer.next({ room: () => core.room, inFlight: () => core.inFlight })
    return { clock, next, add, core, woken: () => woken }
  }

  it('cuts whatever waits when nothing is in flight', () => {
    expect(setup(1, { room: 8, inFlight: 0 }).next()?.requests).to.have.length(1)
  })

  it('lets requests gather while others are in flight, until the batch is full', () => {
    const { next, add } = setup(2, { room: 8, inFlight: 1 })
    expect(next()).to.equal(undefined)
    add(1)
    expect(next()?.requests).to.have.length(3)
  })

  it('cuts a batch that waited for batchTimeoutMs', async () => {
    const { next, clock, woken } = setup(2, { room: 8, inFlight: 1 })
    next()
    await clock.advance(19)
    expect(woken()).to.equal(0)
    await clock.advance(1)
    expect(woken()).to.equal(1)
    expect(next()?.requests).to.have.length(2)
  })

  it('forgets how long something waited when it could not be proposed', async () => {
    const { next, clock, core } = setup(2, { room: 8, inFlight: 1 })
    next()
    await clock.advance(20)
    core.room = 0
    expect(next()).to.equal(undefined)
    core.room = 8
    expect(next()).to.equal(undefined)
  })

  it('has no more than pipelineDepth in flight, however full the batch', () => {
    const { next, core } = setup(6, { room: 8, inFlight: 2 })
    expect(next()).to.equal(undefined)
    core.inFlight = 1
    expect(next()?.requests).to.have.length(3)
  })

  it('proposes nothing without room, and leaves no timer behind', () => {
    const { next, clock } = setup(6, { room: 0, inFlight: 0 })
    expect(next()).to.equal(undefined)
    expect(clock.pending).to.equal(0)
  })
})
