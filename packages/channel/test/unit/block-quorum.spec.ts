import { expect } from 'chai'
import { blockQuorum } from '../../src/index.ts'

describe('blockQuorum', () => {
  it('is so large that any two quorums share a correct consenter', () => {
    const expected: [number, number][] = [
      [1, 1],
      [2, 2],
      [3, 2],
      [4, 3],
      [5, 4],
      [6, 4],
      [7, 5],
      [10, 7],
    ]
    for (const [consenters, quorum] of expected) {
      expect(blockQuorum(consenters), `${consenters} consenters`).to.equal(quorum)
    }
  })
})
