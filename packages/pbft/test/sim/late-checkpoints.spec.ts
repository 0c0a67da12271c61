import { expect } from 'chai'
import { Cluster } from '../../src/testing.ts'
import type { ReplicaNotification } from '../../src/types.ts'

describe('simulated cluster: checkpoints that come after the quorum', function () {
  this.timeout(60_000)

  it('make nobody a flooder, however many there are in a second', async () => {
    const told: ReplicaNotification[] = []
    const cluster = new Cluster({
      onEvent: (_, event) => void told.push(event),
      faults: { minDelayMs: 1, maxDelayMs: 2 },
      replica: { batchSize: 1, checkpointPeriod: 1, logMultiplier: 40, maxSignaturesPerSecond: 1 },
    })
    await cluster.start()
    for (let i = 0; i < 60; i++) {
      for (let to = 0; to < cluster.n; to++) cluster.submit(to, `request ${i} to ${to}`)
      await cluster.run(5, 5)
    }
    await cluster.runUntilLevel(5_000)
    expect(Number(cluster.status(0).lastExecuted)).to.equal(240)
    expect(told.filter(({ type }) => type === 'flooding')).to.deep.equal([])
    await cluster.stop()
  })
})
