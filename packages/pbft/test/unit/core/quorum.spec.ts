import { expect } from 'chai'
import { faultsTolerated, primaryOf, quorumOf, weakQuorumOf } from '../../../src/index.ts'

describe('quorum arithmetic', () => {
  it('is that of the papers for n = 3f + 1', () => {
    for (let f = 0; f <= 42; f++) {
      const n = 3 * f + 1
      expect([faultsTolerated(n), quorumOf(n), weakQuorumOf(n)], `n ${n}`).to.deep.equal([
        f,
        2 * f + 1,
        f + 1,
      ])
    }
  })

  it('gives quorums that share a correct replica, and that the correct ones form alone, for every n', () => {
    for (let n = 1; n <= 128; n++) {
      const f = faultsTolerated(n)
      expect(2 * quorumOf(n) - n, `intersection, n ${n}`).to.be.greaterThan(f)
      expect(quorumOf(n), `availability, n ${n}`).to.be.at.most(n - f)
      expect(2 * (quorumOf(n) - 1) - n, `no smaller one would do, n ${n}`).to.be.at.most(f)
    }
  })

  it('takes primaries in turn, for any view', () => {
    expect([0n, 1n, 3n, 4n, (1n << 64n) - 1n].map((view) => primaryOf(view, 4))).to.deep.equal([
      0, 1, 3, 0, 3,
    ])
  })
})
