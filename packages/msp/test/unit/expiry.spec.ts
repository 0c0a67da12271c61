import { expect } from 'chai'
import type { Clock, LogFields, Logger } from '@heddle/interface'
import { VirtualClock } from '@heddle/events/testing'
import { watchExpiry } from '../../src/index.ts'
import type { WatchedCertificate } from '../../src/index.ts'
import { createTestOrganization } from '../../src/testing.ts'
import type { TestOrganization } from '../../src/testing.ts'

const dayMs = 24 * 60 * 60 * 1000

function recorder(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const write =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      const { role, hours } = fields as { role: string; hours?: number }
      lines.push(`${level} ${event} ${role} ${hours ?? ''}`.trim())
    }
  const logger: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  }
  return { logger, lines }
}

describe('watchExpiry', () => {
  let org: TestOrganization
  let clock: VirtualClock
  let start: number

  before(async () => {
    org = await createTestOrganization({ mspId: 'Org1MSP' })
  })
  beforeEach(() => {
    clock = new VirtualClock()
    start = Math.floor(clock.wallTime() / 1000) * 1000
  })

  /** A certificate that ends `ms` from now. */
  async function endingIn(ms: number): Promise<WatchedCertificate> {
    const notAfter = new Date(start + ms)
    const notBefore = new Date(notAfter.getTime() - 1000 * dayMs)
    const { certificate } = await org.issue({
      commonName: 'x',
      purpose: 'member',
      notBefore,
      notAfter,
    })
    return { role: 'enrollment', certificate }
  }

  it('warns at once of a certificate that has ended or ends within a week', async () => {
    const { logger, lines } = recorder()
    const watched = watchExpiry(
      [await endingIn(-1000), await endingIn(dayMs + 3_600_000), await endingIn(7 * dayMs - 1000)],
      { clock, logger },
    )
    expect(lines).to.deep.equal([
      'warn certificate has expired enrollment',
      'warn certificate expires within a week enrollment 25',
      'warn certificate expires within a week enrollment 167',
    ])
    watched.cancel()
    expect(clock.pending).to.equal(0)
  })

  it('warns of a certificate that is not valid yet, by subject, with both times', async () => {
    const lines: string[] = []
    const { logger } = recorder()
    const { certificate } = await org.issue({
      commonName: 'early',
      purpose: 'member',
      notBefore: new Date(start + 3_600_000),
      notAfter: new Date(start + 30 * dayMs),
    })
    const warn: Logger['warn'] = (event, fields) => lines.push(`${event} ${JSON.stringify(fields)}`)
    watchExpiry([{ role: 'enrollment', certificate }], { clock, logger: { ...logger, warn } })
    expect(lines).to.have.length(1)
    expect(lines[0]).to.contain('certificate is not valid yet').and.to.contain('"CN=early"')
    expect(lines[0]).to.contain(new Date(start + 3_600_000).toISOString())
    expect(lines[0]).to.contain(new Date(clock.wallTime()).toISOString())
  })

  it('tells the date, and warns a week before it and at the end, also years from now', async () => {
    const { logger, lines } = recorder()
    watchExpiry([await endingIn(400 * dayMs)], { clock, logger })
    expect(lines).to.deep.equal(['info certificate will expire enrollment'])
    await clock.advance(393 * dayMs - 2000)
    expect(lines).to.have.length(1)
    await clock.advance(2000)
    expect(lines[1]).to.equal('warn certificate expires within a week enrollment 168')
    await clock.advance(7 * dayMs - 1)
    expect(lines).to.have.length(2)
    await clock.advance(100 * dayMs)
    expect(lines.slice(2)).to.deep.equal(['warn certificate has expired enrollment'])
    expect(clock.pending).to.equal(0)
  })

  it('takes a certificate for valid from its first moment to its last, and warns when a week has begun', async () => {
    const { logger, lines } = recorder()
    watchExpiry([await endingIn(0)], { clock, logger })
    expect(lines.splice(0)).to.deep.equal(['warn certificate expires within a week enrollment 0'])
    watchExpiry([await endingIn(7 * dayMs)], { clock, logger })
    watchExpiry([await endingIn(1000 * dayMs)], { clock, logger })
    const info = 'info certificate will expire enrollment'
    expect(lines.splice(0)).to.deep.equal([info, info])
    await clock.advance(0)
    expect(lines.splice(0)).to.deep.equal(['warn certificate expires within a week enrollment 168'])
    await clock.advance(1)
    expect(lines).to.deep.equal(['warn certificate has expired enrollment'])
  })

  it('says nothing more once it is cancelled', async () => {
    const { logger, lines } = recorder()
    const watch = watchExpiry([await endingIn(40 * dayMs)], { clock, logger })
    await clock.advance(30 * dayMs)
    watch.cancel()
    watch.cancel()
    expect(clock.pending).to.equal(0)
    await clock.advance(30 * dayMs)
    expect(lines).to.have.length(1)
  })

  it('leaves out a certificate that cannot be read', async () => {
    const { logger, lines } = recorder()
    const broken: WatchedCertificate = { role: 'client TLS', certificate: 'nonsense' }
    const ended: WatchedCertificate = { ...(await endingIn(-1000)), role: 'server TLS' }
    watchExpiry([broken, ended], { clock, logger }).cancel()
    expect(lines).to.deep.equal(['warn certificate has expired server TLS'])
  })

  it('does not take a mistake of the program for a certificate that cannot be read', () => {
    const { logger } = recorder()
    const mistaken = { role: 'enrollment', certificate: 5 } as unknown as WatchedCertificate
    expect(() => watchExpiry([mistaken], { clock, logger })).to.throw(TypeError)
  })

  it('never waits longer at once than timers of Node can', async () => {
    const { logger } = recorder()
    const delays: number[] = []
    const schedule: Clock['schedule'] = (delayMs, callback) => {
      delays.push(delayMs)
      return clock.schedule(delayMs, callback)
    }
    const recording: Clock = { now: () => clock.now(), wallTime: () => clock.wallTime(), schedule }
    watchExpiry([await endingIn(100 * dayMs)], { clock: recording, logger })
    await clock.advance(101 * dayMs)
    expect(Math.max(...delays)).to.equal(2 ** 31 - 1)
  })
})
