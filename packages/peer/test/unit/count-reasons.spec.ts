import { expect } from 'chai'
import { sentenceOf } from '@heddle/client'
import { create, heddle } from '@heddle/proto'
import { countReasons } from '../../src/network/count-reasons.ts'

const { RejectionCode } = heddle

let line = 0
function rejected(code: heddle.RejectionCode, ...details: string[]) {
  const explained = create(heddle.RejectionSchema, {
    code,
    details: details.map((detail) => Buffer.from(detail)),
  })
  return { submission: { line: ++line }, verdict: { reason: sentenceOf(explained) } }
}

describe('the reasons in a summary', () => {
  it('say what was wrong, without names, ids and amounts, the most frequent first, and the first line of each', () => {
    const summary = countReasons([
      rejected(RejectionCode.OVERDRAWN, 'alice', '1', '2'),
      rejected(RejectionCode.RECORD_EXISTS, 'order 17'),
      rejected(RejectionCode.RECORD_EXISTS, 'a: "b"'),
      rejected(RejectionCode.RECORD_EXISTS, 'order 17'),
      rejected(RejectionCode.OVERDRAWN, 'bob', '3', '4'),
      rejected(RejectionCode.NO_SUCH_ACCOUNT, 'zoe'),
      { submission: { line: ++line } },
    ])
    expect(summary).to.deep.equal([
      { reason: 'id exists with other content', count: 3, line: 2 },
      { reason: 'overdraws', count: 2, line: 1 },
      { reason: 'no such account', count: 1, line: 6 },
    ])
  })
})
