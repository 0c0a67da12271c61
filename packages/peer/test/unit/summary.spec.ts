import { expect } from 'chai'
import { Submissions } from '../../src/network/submissions.ts'
import {
  accountsLine,
  maxShown,
  outcomeOf,
  rejectedLines,
  standingOf,
  summaryLines,
} from '../../src/network/summary.ts'
import type { RunSummary } from '../../src/network/summary.ts'

/** So many lines that were sent, numbered from 1. */
function sent(count: number): Submissions {
  const submissions = new Submissions()
  for (let line = 1; line <= count; line++)
    submissions.add({ line, txId: `tx${line}`, contract: 'records' }, 0)
  return submissions
}

describe('how far lines got', () => {
  it('says how many were acknowledged, and which were not', () => {
    const submissions = sent(4)
    submissions.acknowledged('tx1', 1)
    submissions.seen('tx3', { block: 1n, accepted: true })
    expect(standingOf(submissions)).to.equal(
      'lines sent: 4, the last is line 4; acknowledged: 2; not acknowledged, though perhaps in a block: 2, 4',
    )
    for (const line of [2, 4]) submissions.acknowledged(`tx${line}`, 1)
    expect(standingOf(submissions)).to.equal('lines sent: 4, the last is line 4; acknowledged: 4')
  })

  it('names lines in a row by the first and the last, and no more than ten rows', () => {
    const submissions = sent(2 * maxShown + 2)
    expect(standingOf(submissions)).to.match(/in a block: 1 to 22$/)
    for (let line = 2; line < 2 * maxShown; line += 2) submissions.acknowledged(`tx${line}`, 1)
    expect(standingOf(submissions)).to.match(/: 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 to 22$/)
    submissions.acknowledged(`tx${2 * maxShown}`, 1)
    expect(standingOf(submissions)).to.match(/ 17, 19, and 2 more$/)
  })

  it('takes lines for a row between which none was sent, as blank ones', () => {
    const submissions = new Submissions()
    for (const line of [1, 2, 5, 9])
      submissions.add({ line, txId: `tx${line}`, contract: 'records' }, 0)
    submissions.acknowledged('tx1', 1)
    expect(standingOf(submissions)).to.equal(
      'lines sent: 4, the last is line 9; acknowledged: 1; not acknowledged, though perhaps in a block: 2 to 9',
    )
  })
})

describe('what became of lines', () => {
  it('is told once for each, in the order of the chain', () => {
    const told: string[] = []
    const submissions = new Submissions(({ line }, { accepted }) =>
      told.push(`${line} ${accepted}`),
    )
    for (const line of [1, 2, 3])
      submissions.add({ line, txId: `tx${line}`, contract: 'records' }, 0)
    submissions.seen('tx3', { block: 1n, accepted: true })
    submissions.seen('tx1', { block: 1n, accepted: false, reason: 'overdraws alice: balance 1' })
    submissions.seen('tx3', { block: 2n, accepted: false })
    submissions.seen('of another client', { block: 2n, accepted: true })
    expect(told).to.deep.equal(['3 true', '1 false'])
  })

  it('is counted in a few words, with the first line of each kind of rejection', () => {
    const submissions = sent(5)
    submissions.seen('tx1', { block: 1n, accepted: true })
    submissions.seen('tx5', { block: 1n, accepted: false, reason: 'overdraws alice: balance 1' })
    submissions.seen('tx3', { block: 1n, accepted: false, reason: 'overdraws bob: balance 2' })
    submissions.seen('tx4', { block: 1n, accepted: false, reason: 'no such account: zoe' })
    expect(outcomeOf(submissions, 0)).to.equal(
      'accepted: 1; rejected: 3 (overdraws: 2, first line 3; no such account: line 4)',
    )
    expect(outcomeOf(new Submissions(), 2)).to.equal('accepted: 0; rejected: 0; not submitted: 2')
  })
})

describe('the genesis accounts', () => {
  it('are named in a line, the first three, with what all hold', () => {
    const accounts: [string, bigint][] = [
      ['a', 1n],
      ['b\u001b', 2_000n],
      ['c', 0n],
    ]
    expect(accountsLine(new Map(accounts))).to.equal(
      'genesis accounts: "a" 1, "b\\u001b" 2,000, "c" 0; 2,001 in all',
    )
    expect(accountsLine(new Map([...accounts, ['d', 7n]]))).to.match(
      /"c" 0 and 1 more; 2,008 in all$/,
    )
    expect(accountsLine(new Map())).to.equal('no genesis account holds money')
  })
})

describe('rejected lines', () => {
  it('are named in the summary with their reason, the first ten', () => {
    const submissions = sent(30)
    for (let line = 30; line > 1; line--)
      submissions.seen(`tx${line}`, { block: 1n, accepted: line % 2 === 0, reason: `why ${line}` })
    const firstRejected = rejectedLines(submissions)
    expect(firstRejected).to.deep.equal(
      [3, 5, 7, 9, 11, 13, 15, 17, 19, 21].map((line) => ({ line, problem: `why ${line}` })),
    )
    const summary: RunSummary = {
      ...{ accepted: 15, rejected: 14, notSubmitted: 0, problems: [], firstRejected, reasons: [] },
      ...{ blocks: 1, seconds: 1, txPerSecond: 1, latencyMs: { p50: 1, p99: 1 }, cpuSeconds: [] },
      proof: { held: true, checks: [] },
    }
    const lines = summaryLines(summary)
    expect(lines).to.include('  line 3: why 3')
    expect(lines[lines.indexOf('  line 21: why 21') + 1]).to.equal('  and 4 more')
  })
})
