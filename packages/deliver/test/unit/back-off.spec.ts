import { expect } from 'chai'
import { backOffMs } from '../../src/back-off.ts'

const options = { minBackOffMs: 100, maxBackOffMs: 10_000 }

describe('back-off', () => {
  it('waits the least while each endpoint failed once, then twice that for each round', () => {
    const waits = [1, 2, 3, 4, 5, 8, 9, 12, 13].map((failures) =>
      backOffMs(failures, 4, options, () => 0),
    )
    expect(waits).to.deep.equal([100, 100, 100, 100, 200, 200, 400, 400, 800])
  })

  it('waits no longer than the most, however many failures', () => {
    for (const failures of [8, 20, 1000, 1_000_000, Number.MAX_SAFE_INTEGER]) {
      expect(
        backOffMs(failures, 1, options, () => 0),
        String(failures),
      ).to.equal(10_000)
    }
  })

  it('waits the most at once when that is less than the least', () => {
    expect(backOffMs(1, 1, { minBackOffMs: 100, maxBackOffMs: 10 }, () => 0)).to.equal(10)
  })

  it('is shortened by up to half at random', () => {
    expect(backOffMs(1, 1, options, () => 0.5)).to.equal(75)
    expect(backOffMs(1, 1, options, () => 0.999999)).to.be.greaterThan(50)
  })
})
