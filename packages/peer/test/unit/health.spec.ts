import { expect } from 'chai'
import { blockQuorum } from '@heddle/orderer'
import { faultsTolerated, quorumOf, weakQuorumOf } from '@heddle/pbft'
import { healthChecks } from '../../src/node/health.ts'
import type { ReplicaStatus } from '@heddle/pbft'

/** What `/healthz` says of the connections of one of `n` validators. */
function connections(n: number, connected: number): string | undefined {
  const status = (): ReplicaStatus => ({
    ...{ id: 0, n, f: 0, view: 0n, primary: 0, activeView: true, lowWatermark: 0n },
    ...{ highWatermark: 0n, lastExecuted: 0n, highestKnown: 0n, transferring: false },
    pendingRequests: 0,
    oldestRequestMs: 0,
  })
  const checks = healthChecks({ replica: { state: 'started', status }, connected: () => connected })
  return checks.find(({ component }) => component === 'gossip.comm')?.check()
}

// Written out, so that no formula is compared with itself.
const quorums = [
  ...[1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 10, 11],
  ...[12, 12, 13, 14, 14, 15, 16, 16, 17, 18, 18, 19, 20, 20, 21],
]

describe('the quorum', () => {
  for (const [index, quorum] of quorums.entries()) {
    const n = index + 1
    it(`of ${n} is ${quorum} for the consensus, for block signatures and for /healthz`, () => {
      expect(quorumOf(n)).to.equal(quorum)
      expect(blockQuorum(n), 'what Fabric asks of a block').to.equal(quorum)
      expect(weakQuorumOf(n)).to.equal(faultsTolerated(n) + 1)
      expect(connections(n, quorum - 1)).to.equal(undefined)
      if (quorum > 1) {
        const missing = `connected with ${quorum - 2} validators, a quorum needs ${quorum - 1}`
        expect(connections(n, quorum - 2)).to.equal(missing)
      }
    })
  }
})
