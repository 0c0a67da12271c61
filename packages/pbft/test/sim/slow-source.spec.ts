import { expect } from 'chai'
import { Cluster } from '../../src/testing.ts'

/** Each run follows from its seed. */
const seeds = Array.from({ length: 20 }, (_, index) => index + 1)

/** How long the correct ones may do without the liar, in milliseconds: three transfers and two views. */
const outageMs = 3 * 2_000 + 2 * 4_000

/** Replica 2 was away while the others went on; 3 gives its state transfers a batch in 4 s. */
async function behindSlowSource(seed: number): Promise<Cluster> {
  const cluster = new Cluster({
    ...{ seed, liars: { 3: 'slowSource' } },
    replica: { batchSize: 1, checkpointPeriod: 2, transferTimeoutMs: 2_000 },
  })
  await cluster.start()
  cluster.crash(2)
  for (let i = 0; i < 30; i++) {
    cluster.submit(i % 2, `request ${i}`)
    await cluster.run(20, 20)
  }
  return cluster
}

describe('a replica that gives its state slowly', function () {
  this.timeout(60_000)

  for (const seed of seeds)
    it(`keeps another one behind for a bounded time, under load, and stops nobody when it falls silent: seed ${seed}`, async () => {
      const cluster = await behindSlowSource(seed)
      await cluster.start(2)
      for (let i = 0; i < 40; i++) {
        cluster.submit(i % 2, `more ${i}`)
        await cluster.run(10, 10)
      }
      cluster.network.filter = (from) => from !== 3
      const late = [0, 1, 2].map((to) => cluster.submit(to, `late ${to}`))
      const isDone = (): boolean => late.every(({ outcome }) => outcome === 'executed')
      await cluster.runUntil(isDone, outageMs, 'going on without the slow source')
      await cluster.runUntilLevel(20_000)
      expect(cluster.submissions.every(({ outcome }) => outcome === 'executed')).to.equal(true)
      await cluster.stop()
    })
})
