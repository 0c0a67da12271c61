import { VirtualClock } from '@heddle/events/testing'
import { isCodedError } from '@heddle/interface'
import { expect } from 'chai'
import { createReplica } from '../../src/index.ts'
import { MemoryJournal, MemoryNetwork, MemoryStateMachine, TestKeys } from '../../src/testing.ts'
import type { ReplicaDependencies, ReplicaOptions } from '../../src/index.ts'

const keys = new TestKeys()

function goodDeps(): ReplicaDependencies {
  return {
    network: new MemoryNetwork().port(0),
    journal: new MemoryJournal(),
    stateMachine: new MemoryStateMachine(),
    signer: keys.signer(0),
    verifier: keys,
    clock: new VirtualClock(),
  }
}

/** What is said when a replica is made of these, as JavaScript without types may do. */
function refusal(deps: unknown, options: unknown = { id: 0, n: 4 }): string {
  try {
    createReplica(deps as ReplicaDependencies, options as ReplicaOptions)
    return ''
  } catch (error) {
    expect(isCodedError(error, 'PBFT_INVALID_OPTIONS'), String(error)).to.equal(true)
    return (error as Error).message
  }
}

describe('createReplica without types', () => {
  it('takes ports that have all that they need', () => {
    expect(refusal(goodDeps())).to.equal('')
  })

  it('names a port that is missing', () => {
    for (const name of Object.keys(goodDeps()))
      expect(refusal({ ...goodDeps(), [name]: undefined })).to.match(
        new RegExp(`^the port ${name} is missing: it needs \\w`),
      )
    expect(refusal(undefined)).to.match(/^the port network is missing/)
    expect(refusal({ ...goodDeps(), signer: null })).to.match(/^the port signer is missing/)
  })

  it('names the method that a port lacks, also one that may be left out and is none', () => {
    const journal = new MemoryJournal()
    const wrong = { append: () => journal.append([]), records: () => journal.records() }
    expect(refusal({ ...goodDeps(), journal: wrong })).to.equal(
      'journal.rewrite is undefined; it must be a function',
    )
    for (const method of ['journalMark', 'earlierDigests', 'clientOf']) {
      const stateMachine = Object.assign(new MemoryStateMachine(), { [method]: 5 })
      expect(refusal({ ...goodDeps(), stateMachine })).to.equal(
        `stateMachine.${method} is number; it must be a function`,
      )
    }
    expect(refusal({ ...goodDeps(), onEvent: 'log' })).to.equal(
      'onEvent is string; it must be a function',
    )
  })

  it('names an option that there is not, and one of another type', () => {
    expect(refusal(goodDeps(), { id: 0, n: 4, batchsize: 10 })).to.match(
      /^there is no option batchsize \(did you mean batchSize\?\); there are id, n, .*batchSize/,
    )
    expect(refusal(goodDeps(), { id: 0, n: 4, batchSize: '10' })).to.match(/^batchSize is 10; /)
    expect(refusal(goodDeps(), { id: 0, n: 4, acceptLoss: 'no' })).to.match(/^acceptLoss is no; /)
    expect(refusal(goodDeps(), null)).to.equal('the options are not an object')
  })
})
