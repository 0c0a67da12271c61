import { expect } from 'chai'
import { resolveReplicaOptions } from '../../src/index.ts'
import type { ReplicaOptions } from '../../src/index.ts'

describe('resolveReplicaOptions', () => {
  it('fills in the defaults and freezes a copy', () => {
    const given = { id: 1, n: 4 }
    const options = resolveReplicaOptions(given)
    expect(options).to.include({
      batchSize: 500,
      checkpointPeriod: 10,
      logMultiplier: 4,
      requestTimeoutMs: 2_000,
      forwardTimeoutMs: 1_000,
      maxRequestBytes: 1_048_576,
    })
    expect(Object.isFrozen(options)).to.equal(true)
    expect(given).to.deep.equal({ id: 1, n: 4 })
  })

  it('cuts batches at 2 MiB, or at maxBatchBytes if that is less', () => {
    const cutAt = (options: Partial<ReplicaOptions>) =>
      resolveReplicaOptions({ id: 0, n: 4, ...options }).preferredBatchBytes
    expect(cutAt({})).to.equal(2_097_152)
    expect(cutAt({ preferredBatchBytes: 3_000_000 })).to.equal(3_000_000)
    expect(cutAt({ preferredBatchBytes: 3_000_000, maxBatchBytes: 1_000 })).to.equal(1_000)
  })

  it('has one of four replicas hold 480 MiB of requests and queued messages at most', () => {
    const n = 4
    const { maxPoolBytes, maxReceiveQueueBytes, maxSendQueueBytes } = resolveReplicaOptions({
      id: 0,
      n,
    })
    // A request that is forwarded is the bytes of the pool, in the queues of all to whom it goes.
    const perOther = maxReceiveQueueBytes + maxSendQueueBytes
    const bytes = n * maxPoolBytes + (n - 1) * perOther
    expect(bytes / 2 ** 20).to.equal(480)
  })

  it('refuses an option that it does not know, and says which was meant', () => {
    const mistyped = { id: 0, n: 4, batchsize: 7 }
    expect(() => resolveReplicaOptions(mistyped))
      .to.throw('there is no option batchsize (did you mean batchSize?); there are id, n, ')
      .with.property('code', 'PBFT_INVALID_OPTIONS')
  })

  const bad: [string, Partial<ReplicaOptions>][] = [
    ['an id that is not below n', { id: 4 }],
    ['no replica', { n: 0 }],
    ['more than 128 replicas', { n: 129 }],
    ['an empty batch', { batchSize: 0 }],
    ['half a request', { batchSize: 1.5 }],
    ['a window of one period', { logMultiplier: 1 }],
    ['a batch timeout as long as the request timeout', { batchTimeoutMs: 2_000 }],
    ['a forward timeout longer than the request timeout', { forwardTimeoutMs: 2_001 }],
    ['requests larger than a batch', { maxBatchBytes: 10, maxRequestBytes: 11 }],
    ['what is not a number', { pipelineDepth: Number.NaN }],
  ]
  for (const [problem, options] of bad) {
    it(`refuses ${problem}`, () => {
      const error = (() => {
        try {
          resolveReplicaOptions({ id: 0, n: 4, ...options })
        } catch (e) {
          return e
        }
        return undefined
      })()
      expect(error).to.have.property('code', 'PBFT_INVALID_OPTIONS')
    })
  }
})
