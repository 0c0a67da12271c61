import { expect } from 'chai'
import { withClock } from '../../src/index.ts'

describe('the reason why a server cannot be reached', () => {
  it('has our clock when a certificate is refused because of the time, and only then', () => {
    const now = Date.UTC(2026, 10, 29, 12)
    const clock = '; our clock says 2026-11-29T12:00:00.000Z'
    for (const why of ['Error: certificate is not yet valid', 'certificate has expired'])
      expect(withClock(why, now)).to.equal(`${why}${clock}`)
    expect(withClock('connect ECONNREFUSED', now)).to.equal('connect ECONNREFUSED')
  })
})
