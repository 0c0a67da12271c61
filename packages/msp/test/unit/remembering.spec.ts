import { expect } from 'chai'
import { maxWellFormedCached, remembering } from '../../src/well-formed.ts'

describe('remembering what is well-formed', () => {
  const numbered = (number: number): Uint8Array => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(number)
    return bytes
  }

  it(`looks at nothing twice of the last ${maxWellFormedCached}, and then at the oldest again`, () => {
    let looked = 0
    const check = remembering(() => {
      looked += 1
    })
    for (const round of ['at first', 'again']) {
      for (let at = 0; at < maxWellFormedCached; at += 1) check(numbered(at))
      expect(looked, round).to.equal(maxWellFormedCached)
    }
    check(numbered(maxWellFormedCached))
    check(numbered(1))
    expect(looked).to.equal(maxWellFormedCached + 1)
    check(numbered(0))
    expect(looked).to.equal(maxWellFormedCached + 2)
  })

  it('refuses again what was refused', () => {
    const check = remembering(() => {
      throw new Error('no')
    })
    for (let time = 0; time < 2; time += 1) expect(() => check(numbered(0))).to.throw('no')
  })
})
