import { expect } from 'chai'
import { Submissions } from '../../src/network/submissions.ts'
import { maxShown, rejectedLines, standingOf, summaryLines } from '../../src/network/summary.ts'
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
      'lines sent: 4, the last is line 4; acknowledged: 2; not acknowledged, and perhaps in a block all the same: 2, 4',
    )
    for (const line of [2, 4]) submissions.acknowledged(`tx${line}`, 1)
    expect(standingOf(submissions)).to.equal('lines sent: 4, the last is line 4; acknowledged: 4')
  })

  it('names lines in a row by the first and the last, and no more than ten rows', () => {
    const submissions = sent(2 * maxShown + 2)
    expect(standingOf(submissions)).to.match(/all the same: 1 to 22$/)
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
      'lines sent: 4, the last is line 9; acknowledged: 1; not acknowledged, and perhaps in a block all the same: 2 to 9',
    )
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
