import { expect } from 'chai'
import { Cluster } from '../../src/testing.ts'
import type { Submission } from '../../src/testing.ts'

/** Each run follows from its seed. */
const seeds = [1, 2]

/** Links that carry ten full batches a second, and pools for a second of that. */
const bytesPerSecond = 1_000_000
const replica = { preferredBatchBytes: 100_000, maxPoolBytes: 1_000_000 }
const greedy = ['greedy 1', 'greedy 2']
const greedyBytes = 20_000
const honestBytes = 1_000
/** What each greedy client has under way at each replica: two of them could fill the pool. */
const windowBytes = 600_000
const stepMs = 50
const runMs = 3_000

const clientOf = (request: Uint8Array): string => Buffer.from(request).toString().split(':')[0]!

describe('two clients with all under way that they may have, at all replicas', function () {
  this.timeout(60_000)

  for (const seed of seeds)
    it(`keep no third one out: seed ${seed}`, async () => {
      const cluster = new Cluster({ seed, clientOf, replica, faults: { bytesPerSecond } })
      await cluster.start()
      let submitted = 0
      const submit = (to: number, client: string, bytes: number): Submission =>
        cluster.submit(to, `${client}: ${submitted++} `.padEnd(bytes, '.'))
      const honest: Submission[] = []
      let underWay: Submission[] = []
      for (let passed = 0; passed < runMs; passed += stepMs) {
        underWay = underWay.filter(({ outcome }) => outcome === 'pending')
        for (let to = 0; to < cluster.n; to++)
          for (const client of greedy) {
            const has = underWay.filter(
              (each) => each.to === to && clientOf(each.request) === client,
            )
            for (let count = has.length; count < windowBytes / greedyBytes; count++)
              underWay.push(submit(to, client, greedyBytes))
          }
        await cluster.run(stepMs, stepMs)
        honest.push(submit(honest.length % cluster.n, 'honest', honestBytes))
      }
      await cluster.runUntilLevel(20_000)
      await cluster.stop()
      expect(honest.filter(({ outcome }) => outcome !== 'executed')).to.deep.equal([])
      const refused = cluster.submissions.filter(({ outcome }) => outcome === 'failed')
      expect(refused, 'what the greedy ones bring beyond their share').not.to.deep.equal([])
      for (const { error } of refused) expect(error).to.have.property('code', 'PBFT_POOL_FULL')
    })
})
