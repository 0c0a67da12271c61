import { expect } from 'chai'
import { Writable } from 'node:stream'
import { systemClock } from '@heddle/events'
import { createLogging } from '../../src/logging/logger.ts'
import { isEnabled, parseLogSpec } from '../../src/logging/logspec.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import { OperationsServer, maxRequestBytes } from '../../src/operations/server.ts'
import type { Logging } from '../../src/logging/logger.ts'

function recording(spec: string): { logging: Logging; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
      done()
    },
  })
  return { logging: createLogging(spec, { peer: 'v0' }, stream), lines }
}

describe('the levels of loggers', () => {
  it('takes the longest name of the specification that a logger begins with', () => {
    const spec = parseLogSpec('gossip=error:gossip.comm,ledger=debug:warn')
    expect(isEnabled(spec, 'gossip.state', 'warn')).to.be.false
    expect(isEnabled(spec, 'gossip.comm.dial', 'debug')).to.be.true
    expect(isEnabled(spec, 'gossiping', 'warn')).to.be.true
    expect(isEnabled(spec, 'peer', 'info')).to.be.false
  })

  it('refuses levels and forms that are none', () => {
    for (const spec of ['loud', '=info', 'a=b=info', 'a=loud']) {
      expect(() => parseLogSpec(spec), spec).to.throw(/invalid logging specification/)
    }
  })

  it('writes JSON lines with logger, event and the causes of errors, at the level of the moment', () => {
    const { logging, lines } = recording('info')
    const logger = logging.logger.child('gossip').child('comm')
    logger.debug('not yet')
    logging.setSpec('debug')
    logger.debug('hello', { n: 1 }, new TypeError('outer', { cause: new Error('inner') }))
    expect(lines).to.have.length(1)
    expect(lines[0]).to.deep.include({
      level: 'debug',
      logger: 'gossip.comm',
      msg: 'hello',
      n: 1,
      peer: 'v0',
    })
    expect(lines[0]?.['error']).to.deep.equal({ message: 'outer', cause: { message: 'inner' } })
  })
})

describe('the operations server', () => {
  let problem: string | undefined
  const metrics = createMetrics()
  const { logging } = recording('info')
  const server = new OperationsServer(
    {
      clock: systemClock,
      logging,
      metrics,
      version: { Version: '1.2.3', CommitSHA: 'abc' },
      health: [{ component: 'ledger', check: () => problem }],
    },
    { host: '127.0.0.1', port: 0 },
  )
  const at = (path: string): string => `http://127.0.0.1:${server.port}${path}`
  const put = (body: string): Promise<Response> => fetch(at('/logspec'), { method: 'PUT', body })

  before(() => server.start())
  after(() => server.stop())

  it('tells that it is well, or which component is not and why', async () => {
    const well = await fetch(at('/healthz'))
    expect(well.status).to.equal(200)
    expect(await well.json()).to.include({ status: 'OK' })
    problem = 'disk full'
    const ill = await fetch(at('/healthz'))
    expect(ill.status).to.equal(503)
    expect(await ill.json()).to.deep.include({
      status: 'Service Unavailable',
      failed_checks: [{ component: 'ledger', reason: 'disk full' }],
    })
    problem = undefined
  })

  it('shows metrics in the text format of Prometheus', async () => {
    metrics
      .counter({ name: 'things_total', help: 'Things.', labelNames: ['kind'] })
      .add(2, { kind: 'a' })
    metrics
      .counter({ name: 'things_total', help: 'Things.', labelNames: ['kind'] })
      .add(1, { kind: 'a' })
    metrics.gauge({ name: 'height', help: 'Height.' }).set(7)
    metrics.histogram({ name: 'time_seconds', help: 'Time.', buckets: [1] }).observe(0.5)
    const text = await (await fetch(at('/metrics'))).text()
    expect(text).to.include('things_total{kind="a"} 3')
    expect(text).to.include('height 7').and.include('time_seconds_bucket{le="1"} 1')
  })

  it('shows the version', async () => {
    expect(await (await fetch(at('/version'))).json()).to.deep.equal({
      Version: '1.2.3',
      CommitSHA: 'abc',
    })
  })

  it('shows and changes the levels of loggers, and refuses nonsense', async () => {
    expect((await put('{"spec":"gossip=debug:warn"}')).status).to.equal(204)
    expect(await (await fetch(at('/logspec'))).json()).to.deep.equal({ spec: 'gossip=debug:warn' })
    for (const body of ['{"spec":"loud"}', '{}', 'null', 'x', '9'.repeat(maxRequestBytes + 1)]) {
      const refused = await put(body)
      expect(refused.status, body.slice(0, 20)).to.equal(400)
      expect(await refused.json(), body.slice(0, 20)).to.have.property('error')
    }
    expect(logging.spec).to.equal('gossip=debug:warn')
  })

  it('has nothing else', async () => {
    expect((await fetch(at('/elsewhere'))).status).to.equal(404)
    expect((await fetch(at('/metrics'), { method: 'POST' })).status).to.equal(404)
  })

  it('names a port that is taken', async () => {
    const second = new OperationsServer(
      { clock: systemClock, logging, metrics, version: { Version: '', CommitSHA: '' }, health: [] },
      { host: '127.0.0.1', port: server.port },
    )
    const error: unknown = await second.start().catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'PEER_PORT_BUSY')
    expect(second.state).to.equal('idle')
    await second.stop()
    await second.stop()
  })
})
