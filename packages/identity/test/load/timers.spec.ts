import { expect } from 'chai'
import { fixture, startTime } from '../unit/support.ts'

describe('the timers of a mapper', () => {
  it('are one for 100,000 identities, which all expire at their own time', async () => {
    const count = 100_000
    const { clock, membership, mapper, purged } = fixture({ maxIdentities: count + 1 })
    await mapper.start()
    // In an order that is neither that of time nor its reverse.
    for (let i = 0; i < count; i += 1) {
      const expiresAt = new Date(startTime + 1 + ((i * 7919) % count))
      const { pkiId, identity } = membership.enroll('Org2MSP', `peer${i}`, expiresAt)
      mapper.put(pkiId, identity)
    }
    expect(clock.pending).to.equal(1)
    for (const passed of [1, 1000, 5000]) {
      await clock.advance(passed - clock.now())
      await clock.advance(1)
      expect(purged, `at ${clock.now()}`).to.have.length(clock.now() - 1)
      expect(clock.pending).to.equal(1)
    }
  }).timeout(60_000)
})
