import { expect } from 'chai'
import { checkCost } from '../../src/in/message-cost.ts'
import { Cluster } from '../../src/testing.ts'
import type { ReplicaNotification } from '../../src/types.ts'

const idOf = (request: Uint8Array): string => Buffer.from(request).toString().split('#')[0]!
const maxCpuMsPerSecond = 2
/** Twice as many in a second as may be checked in vain. */
const pairsPerSecond = (2 * maxCpuMsPerSecond * 1_000) / checkCost

describe('simulated cluster: a client that signs requests with one id', function () {
  this.timeout(60_000)

  it('slows no replica that it gives another of them', async () => {
    const told: ReplicaNotification[] = []
    const onEvent = (_: number, event: ReplicaNotification): void => void told.push(event)
    const cluster = new Cluster({ seed: 1, idOf, onEvent, replica: { maxCpuMsPerSecond } })
    await cluster.start()
    for (let i = 0; i < 10 * pairsPerSecond; i++) {
      for (const to of [0, 1, 2, 3]) cluster.submit(to, `${i}#at ${to}`)
      if (i % 20 === 0) cluster.submit(1 + ((i / 20) % 3), `honest ${i}`)
      await cluster.run(1_000 / pairsPerSecond, 1_000 / pairsPerSecond)
    }
    await cluster.runUntilLevel(1_000)
    const rejections = told.filter(({ type }) => type === 'rejected' || type === 'flooding')
    expect(rejections).to.deep.equal([])
    const honest = cluster.submissions.filter(({ request }) => idOf(request).startsWith('honest'))
    expect(new Set(honest.map(({ outcome }) => outcome))).to.deep.equal(new Set(['executed']))
    await cluster.stop()
  })
})
