import { expect } from 'chai'
import { freshNonce, nonceBytes, noncesPerDraw } from '../../src/nonce.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('freshNonce', () => {
  it('never gives the same bytes again, and leaves alone what it gave, draw after draw', () => {
    const given = Array.from({ length: 3 * noncesPerDraw + 1 }, () => freshNonce())
    const before = given.map(hex)
    expect(new Set(before)).to.have.property('size', given.length)
    for (const nonce of given) expect(nonce).to.have.length(nonceBytes)
    for (let i = 0; i < noncesPerDraw; i++) freshNonce()
    expect(given.map(hex)).to.deep.equal(before)
  })

  it('gives memory that holds no other nonce, past or future', () => {
    for (let i = 0; i < 2; i++) {
      expect(freshNonce().buffer).to.have.property('byteLength', nonceBytes)
    }
  })
})
