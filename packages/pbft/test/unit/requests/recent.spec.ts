import { expect } from 'chai'
import { Recent } from '../../../src/requests/recent.ts'

describe('Recent', () => {
  it('keeps what was set last, and never more than its limit', () => {
    const recent = new Recent<number>(10)
    for (let i = 0; i < 1_000; i++) {
      recent.set(`${i}`, i)
      expect(recent.size, `after ${i}`).to.be.at.most(10)
      expect(recent.get(`${Math.max(0, i - 4)}`), `before ${i}`).to.equal(Math.max(0, i - 4))
    }
    expect(recent.get('1')).to.equal(undefined)
    recent.delete('999')
    expect(recent.get('999')).to.equal(undefined)
  })
})
