import { expect } from 'chai'
import { blockQuorum } from '@heddle/orderer'
import { faultsTolerated, quorumOf, weakQuorumOf } from '@heddle/pbft'
import { problemsOf } from '../../src/node/health.ts'
import type { ReplicaStatus } from '@heddle/pbft'

function status(n: number): ReplicaStatus {
  return {
    ...{ id: 0, n, f: 0, view: 0n, primary: 0, activeView: true, lowWatermark: 0n },
    ...{ highWatermark: 0n, lastExecuted: 0n, highestKnown: 0n, transferring: false },
    ...{ pendingRequests: 0, oldestRequestMs: 0, notVoting: undefined },
  }
}

/** What `/healthz` says of the connections of one of `n` validators. */
function connections(n: number, connected: number): string | undefined {
  const problems = problemsOf({
    replica: { state: 'started', status: () => status(n) },
    connected: () => connected,
    watch: { standstill: undefined },
  })
  return problems.find(({ component }) => component === 'gossip.comm')?.reason
}

it('a validator that does not vote says why', () => {
  const notVoting =
    'the journal is empty: it does not vote before a quorum of the others has answered'
  const problems = problemsOf({
    replica: { state: 'started', status: () => ({ ...status(4), notVoting }) },
    connected: () => 3,
    watch: { standstill: undefined },
  })
  expect(problems).to.deep.equal([{ component: 'consensus.pbft', reason: notVoting }])
})

// Written out, so that no formula is compared with itself.
const quorums = [
  ...[1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 10, 11],
  ...[12, 12, 13, 14, 14, 15, 16, 16, 17, 18, 18, 19, 20, 20, 21],
]

describe('the problems of a validator', () => {
  it('are that it stops, that it reaches too few others, and that it stands still', () => {
    const problems = problemsOf({
      replica: { state: 'stopping', status: () => status(4) },
      connected: () => 1,
      watch: {
        standstill: {
          ...{ component: 'ledger.engine', reason: 'nothing came', block: 1n },
          ...{ forMs: 1, validators: [] },
        },
      },
    })
    expect(problems).to.deep.equal([
      { component: 'consensus.pbft', reason: 'the replica is stopping' },
      { component: 'gossip.comm', reason: 'connected with 1 validators, a quorum needs 2' },
      { component: 'ledger.engine', reason: 'nothing came' },
    ])
  })
})

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
