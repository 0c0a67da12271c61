import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { Conditions } from '../../src/node/conditions.ts'
import { dissentCheck } from '../../src/node/dissent-check.ts'

describe('the check of what other validators sign', () => {
  it('names each that signs otherwise than a quorum, with the block, until it does no more', () => {
    const dissent = new Map([
      [2, 7n],
      [4, 9n],
    ])
    const conditions = new Conditions({ clock: new VirtualClock() })
    const check = dissentCheck({ collector: { dissent }, others: [0, 1, 3], conditions })
    const said = () => {
      check()
      return conditions.current.map(({ condition, reason }) => [condition, reason])
    }
    expect(said()).to.deep.equal([
      ['validator-diverged', 'validator1 does not sign block 7 as a quorum did'],
      ['validator-diverged', 'validator3 does not sign block 9 as a quorum did'],
    ])
    dissent.delete(2)
    expect(said()).to.have.length(1)
    dissent.delete(4)
    expect(said()).to.deep.equal([])
  })
})
