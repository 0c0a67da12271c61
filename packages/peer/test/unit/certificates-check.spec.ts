import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { certificatesCheck, endsSoonMs } from '../../src/node/certificates-check.ts'
import { Conditions } from '../../src/node/conditions.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import { testMembers } from '../support/channel.ts'

describe('the check of a validator’s own certificates', () => {
  it('names what ends within a week, what has ended, and what does not count yet', async () => {
    const { ordering } = await testMembers()
    const start = Date.UTC(2026, 0, 1)
    const end = Date.UTC(2026, 1, 1)
    const { idBytes } = await ordering.identity('brief', 'orderer', {
      notBefore: new Date(start),
      notAfter: new Date(end),
    })
    const clock = new VirtualClock({ wallTimeMs: start - 1000 })
    const metrics = createMetrics()
    const conditions = new Conditions({ clock })
    const certificates = [{ role: 'enrollment', certificate: idBytes }] as const
    const check = certificatesCheck({ certificates, clock, conditions, metrics })
    const said = () => {
      check()
      return conditions.current.map(({ condition, reason }) => [condition, reason])
    }
    const goTo = (ms: number): Promise<void> => clock.advance(ms - clock.wallTime())
    const what = 'the enrollment certificate of '
    expect(said()).to.have.length(1)
    expect(said()[0]?.[0]).to.equal('certificate-not-valid-yet')
    expect(said()[0]?.[1])
      .to.include(what)
      .and.match(/CN=brief/)
      .and.match(
        /is valid from 2026-01-01T00:00:00.000Z on, but our clock says 2025-12-31T23:59:59/,
      )
    await goTo(start)
    expect(said()).to.deep.equal([])
    await goTo(end - endsSoonMs)
    expect(said()).to.deep.equal([])
    await goTo(end - endsSoonMs + 1)
    expect(said()[0]?.[0]).to.equal('certificate-ends-soon')
    expect(said()[0]?.[1]).to.match(/expires in 167 h, at 2026-02-01T00:00:00.000Z$/)
    await goTo(end - 60_000)
    expect(await metrics.text()).to.match(
      /remaining_seconds{certificate="enrollment"} 604799\.999$/m,
    )
    check()
    expect(await metrics.text()).to.match(/remaining_seconds{certificate="enrollment"} 60$/m)
    await goTo(end + 1)
    expect(said()).to.have.length(1)
    expect(said()[0]?.[0]).to.equal('certificate-expired')
    expect(said()[0]?.[1]).to.match(/expired at 2026-02-01T00:00:00.000Z$/)
  })
})
