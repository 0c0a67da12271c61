import { create, heddle } from '@heddle/proto'
import { expect } from 'chai'
import { refuseWithoutQuorum } from '../../src/cli/network-status.ts'
import { exitCodeOf } from '../../src/exit-status.ts'

/** What a validator says of itself; undefined for one that gives no answer. */
type Said = 'well' | 'degraded' | 'failed' | undefined

function statusWith(...said: Said[]): number {
  const lines = said.map((each, index) => {
    const name = `validator${index}`
    if (each === undefined) return { name, failure: new Error('no answer') }
    const problems = each === 'well' ? [] : [{ degraded: each === 'degraded' }]
    return { name, status: create(heddle.StatusReplySchema, { problems }) }
  })
  try {
    refuseWithoutQuorum(lines)
    return 0
  } catch (error) {
    const working = said.filter((each) => each === 'well' || each === 'degraded').length
    expect(String(error)).to.include(
      `${working} of ${said.length} validators answer and do their work`,
    )
    return exitCodeOf(error)
  }
}

describe('network status', () => {
  it('ends with 0 as long as a quorum answers and does its work', () => {
    expect(statusWith('well', 'well', 'well', 'well')).to.equal(0)
    expect(statusWith('degraded', 'well', 'degraded', undefined)).to.equal(0)
    expect(statusWith('well', 'failed', 'well', 'well')).to.equal(0)
  })

  it('ends with the status of a network that is not available otherwise', () => {
    expect(statusWith('well', undefined, undefined, undefined)).to.equal(69)
    expect(statusWith('well', 'well', undefined, undefined)).to.equal(69)
    expect(statusWith('well', 'well', 'failed', undefined)).to.equal(69)
    expect(statusWith('failed', 'failed', 'failed', 'failed')).to.equal(69)
  })
})
