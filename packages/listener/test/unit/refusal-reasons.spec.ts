import { expect } from 'chai'
import { leftReason, tlsReason } from '../../src/refusal-reasons.ts'

const now = Date.UTC(2026, 10, 29, 12)
const day = 86_400_000

describe('reasons of refusals', () => {
  it('ask whether who leaves trusts our certificate, and for its clock while that is new', () => {
    const left = 'it left in the middle of the TLS handshake; does it trust our certificate?'
    const hint = `${left} Or is its clock behind? our certificate is valid from 2026-11-28T12:00:00.000Z on`
    expect(leftReason(now - day, now)).to.equal(hint)
    expect(leftReason(now - day - 1, now)).to.equal(left)
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    expect(tlsReason(reset, hint)).to.equal(hint)
    expect(tlsReason(new Error('wrong version'), hint)).to.match(/failed: wrong version$/)
  })
})
