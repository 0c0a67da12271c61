import { expect } from 'chai'
import { prove } from '../../src/network/proof.ts'
import { Submissions } from '../../src/network/submissions.ts'
import type { Evidence } from '../../src/network/proof.ts'

const names = ['v0', 'v1', 'v2', 'v3']

function submissions(): Submissions {
  const made = new Submissions()
  made.add({ line: 1, txId: 't1', contract: 'accounts' }, 0)
  made.add({ line: 2, txId: 't2', contract: 'records', record: { key: 'r', digest: 'd' } }, 10)
  made.acknowledged('t1', 5)
  made.acknowledged('t2', 30)
  made.seen('t1', { block: 1n, accepted: false, reason: 'overdraws' })
  made.seen('t2', { block: 1n, accepted: true })
  return made
}

function evidence(change: Partial<Evidence> = {}): Evidence {
  return {
    validators: names.map((name) => ({
      name,
      evidence: { name, height: 2n, lastBlockHash: 'hash', contentDigest: 'digest' },
    })),
    followedHash: 'hash',
    downloadedDigest: 'digest',
    accountsBefore: 100n,
    accountsAfter: 100n,
    records: new Map([['r', 'd']]),
    submissions: submissions(),
    ...change,
  }
}

function failed(change: Partial<Evidence>): string[] {
  const { held, checks } = prove(evidence(change))
  const names = checks.filter((each) => !each.held).map(({ name }) => name)
  expect(held).to.equal(names.length === 0)
  return names
}

describe('the proof', () => {
  it('holds when everything fits', () => {
    expect(failed({})).to.deep.equal([])
  })

  it('fails when one validator ends in another block or state, or gives no answer', () => {
    const last = (part: object): Partial<Evidence> => {
      const all = [...evidence().validators]
      const one = all[3]?.evidence
      if (one === undefined) throw new Error('no fourth validator')
      all[3] = { name: 'v3', evidence: { ...one, ...part } }
      return { validators: all }
    }
    expect(failed(last({ lastBlockHash: 'other' }))).to.deep.equal(['blocks'])
    expect(failed(last({ contentDigest: 'other' }))).to.deep.equal(['state'])
    const all = [...evidence().validators.slice(1), { name: 'v0', evidence: undefined }]
    expect(failed({ validators: all })).to.deep.equal(['blocks', 'state'])
  })

  it('fails when the chain or the state that the client read is another', () => {
    expect(failed({ followedHash: 'other' })).to.deep.equal(['blocks'])
    expect(failed({ downloadedDigest: 'other' })).to.deep.equal(['state'])
  })

  it('fails when the sum over all accounts changed', () => {
    expect(failed({ accountsAfter: 101n })).to.deep.equal(['accounts'])
  })

  it('fails when a record is missing or reads back otherwise', () => {
    expect(failed({ records: new Map() })).to.deep.equal(['records'])
    expect(failed({ records: new Map([['r', 'other']]) })).to.deep.equal(['records'])
  })

  it('fails when a line stands in the chain twice or not at all', () => {
    const twice = submissions()
    twice.seen('t1', { block: 2n, accepted: false })
    expect(failed({ submissions: twice })).to.deep.equal(['once'])
    const never = submissions()
    never.add({ line: 3, txId: 't3', contract: 'accounts' }, 0)
    expect(failed({ submissions: never })).to.deep.equal(['once'])
  })
})

describe('submissions', () => {
  it('counts what was submitted, acknowledged and decided, and ignores others', () => {
    const made = submissions()
    made.seen('of somebody else', { block: 1n, accepted: true })
    expect(made.counts).to.deep.equal({ submitted: 2, acknowledged: 2, accepted: 1, rejected: 1 })
    expect([made.latencyMs(0.5), made.latencyMs(0.99)]).to.deep.equal([20, 20])
    expect(new Submissions().latencyMs(0.5)).to.equal(0)
  })

  it('tells when every transaction was seen or refused', async () => {
    const made = new Submissions()
    made.add({ line: 1, txId: 'a', contract: 'records' }, 0)
    made.add({ line: 2, txId: 'b', contract: 'records' }, 0)
    const done = made.allSeen(new AbortController().signal)
    made.seen('a', { block: 1n, accepted: true })
    made.refused('b')
    await done
    expect(made.counts.submitted).to.equal(1)
  })

  it('stops waiting when it is told to', async () => {
    const made = new Submissions()
    made.add({ line: 1, txId: 'a', contract: 'records' }, 0)
    const abort = new AbortController()
    const done = made.allSeen(abort.signal).catch((reason: unknown) => reason)
    const reason = new Error('enough')
    abort.abort(reason)
    expect(await done).to.equal(reason)
  })
})
