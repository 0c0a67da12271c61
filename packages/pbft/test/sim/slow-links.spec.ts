import { expect } from 'chai'
import { Cluster } from '../../src/testing.ts'

/** Each run follows from its seed. */
const seeds = [1, 2]

const requestBytes = 50_000
/** More than a link carries within many time-outs of 2 s. */
const requests = 120
const bytesPerSecond = 250_000

describe('large requests on slow links', function () {
  this.timeout(60_000)

  for (const seed of seeds)
    it(`are all executed, though the primary is changed while they wait: seed ${seed}`, async () => {
      const cluster = new Cluster({
        ...{ seed, faults: { bytesPerSecond } },
        replica: { preferredBatchBytes: 50_000 },
      })
      await cluster.start()
      for (let i = 0; i < requests; i++) {
        cluster.submit(1 + (i % 3), `request ${i} `.padEnd(requestBytes, '.'))
      }
      await cluster.run(3_000, 50)
      cluster.crash(0)
      const isDone = (): boolean =>
        cluster.submissions.every(({ outcome }) => outcome === 'executed')
      await cluster.runUntil(isDone, 60_000, 'all executed')
      await cluster.runUntilLevel(10_000)
      for (const id of [1, 2, 3])
        expect(new Set(cluster.machine(id).executedIds), `at ${id}`).to.have.property(
          'size',
          requests,
        )
      await cluster.stop()
    })
})
