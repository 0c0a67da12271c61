import { expect } from 'chai'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Writable } from 'node:stream'
import { systemClock } from '@heddle/events'
import { VirtualClock } from '@heddle/events/testing'
import { createLogging } from '../../src/logging/logger.ts'
import { isEnabled, parseLogSpec } from '../../src/logging/logspec.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import {
  OperationsServer,
  maxRequestBytes,
  maxAnswersPerSecond,
  metricsAgeMs,
  operationsLimits,
} from '../../src/operations/server.ts'
import type { Socket } from 'node:net'
import type { Logging } from '../../src/logging/logger.ts'
import type { Condition } from '../../src/node/conditions.ts'

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
    logging.setSpec('debug', { address: 'a' })
    logger.debug('hello', { n: 1 }, new TypeError('outer', { cause: new Error('inner') }))
    const changed = { msg: 'levels of the log changed', address: 'a', from: 'info', to: 'debug' }
    expect(lines.shift()).to.include({ level: 'info', logger: 'logging', ...changed })
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
  let conditions: readonly Condition[] = []
  const metrics = createMetrics()
  const { logging, lines } = recording('info')
  const server = new OperationsServer(
    {
      clock: systemClock,
      logging,
      metrics,
      version: { Version: '1.2.3', CommitSHA: 'abc' },
      conditions: () => conditions,
    },
    { listen: { host: '127.0.0.1', port: 0 } },
  )
  const at = (path: string): string => `http://127.0.0.1:${server.port}${path}`
  const put = (body: string): Promise<Response> => fetch(at('/logspec'), { method: 'PUT', body })

  before(() => server.start())
  after(() => server.stop())

  it('tells that it is well, or which component is not and why', async () => {
    const well = await fetch(at('/healthz'))
    expect(well.status).to.equal(200)
    expect(await well.json()).to.have.all.keys('status', 'time')
    const failed = {
      component: 'ledger.engine',
      reason: 'nothing came',
      condition: 'fork',
    } as const
    const degraded = { ...failed, reason: 'behind', condition: 'behind' } as const
    const held = { cure: 'wait', since: Date.UTC(2026, 0, 1) } as const
    const since = '2026-01-01T00:00:00.000Z'
    conditions = [
      { ...failed, ...held, severity: 'failed' },
      { ...degraded, ...held, severity: 'degraded' },
    ]
    const ill = await fetch(at('/healthz'))
    expect(ill.status).to.equal(503)
    const body = (await ill.json()) as Record<string, unknown>
    expect(body).to.have.all.keys('status', 'time', 'failed_checks', 'degraded_checks')
    expect(body).to.deep.include({
      status: 'Service Unavailable',
      failed_checks: [{ ...failed, since }],
      degraded_checks: [{ ...degraded, since }],
    })
    conditions = conditions.slice(1)
    const worse = await fetch(at('/healthz'))
    expect(worse.status, 'it does its work').to.equal(200)
    const { time, ...rest } = (await worse.json()) as Record<string, unknown>
    expect(time).to.be.a('string')
    expect(rest).to.deep.equal({ status: 'OK', degraded_checks: [{ ...degraded, since }] })
    conditions = []
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

  it('makes the text of the metrics once for all who ask within metricsAgeMs', async () => {
    const clock = new VirtualClock()
    let made = 0
    const counted = { ...metrics, text: () => Promise.resolve(String(++made)) }
    const other = new OperationsServer(
      {
        ...{ clock, logging, metrics: counted, conditions: () => [] },
        version: { Version: '', CommitSHA: '' },
      },
      { listen: { host: '127.0.0.1', port: 0 } },
    )
    await other.start()
    const text = async (): Promise<string> =>
      (
        await fetch(`http://127.0.0.1:${other.port}/metrics`, { headers: { connection: 'close' } })
      ).text()
    expect(await Promise.all([text(), text()])).to.deep.equal(['1', '1'])
    await clock.advance(metricsAgeMs - 1)
    expect(await text()).to.equal('1')
    await clock.advance(1)
    expect(await text()).to.equal('2')
    await other.stop()
  })

  it(`answers ${maxAnswersPerSecond} requests at once, and then as many a second, whoever asks`, async () => {
    const clock = new VirtualClock()
    const other = new OperationsServer(
      {
        ...{ clock, logging, metrics, conditions: () => [] },
        version: { Version: '1', CommitSHA: '' },
      },
      { listen: { host: '127.0.0.1', port: 0 } },
    )
    await other.start()
    const ask = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${other.port}/version`, { headers: { connection: 'close' } })
    for (let i = 0; i < maxAnswersPerSecond; i++) expect((await ask()).status).to.equal(200)
    let answered = 0
    const late = [ask(), ask()].map(async (answer) => {
      await answer
      answered++
    })
    while (clock.pending < 4) await new Promise((resolve) => setImmediate(resolve))
    expect(answered, 'their turns and their limits are on the clock').to.equal(0)
    await clock.advance(1_000 / maxAnswersPerSecond)
    await Promise.race(late)
    expect(answered).to.equal(1)
    await clock.advance(1_000 / maxAnswersPerSecond)
    await Promise.all(late)
    await other.stop()
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
    expect(lines, 'the change, though the levels are higher').to.have.length(1)
    expect(lines[0]).to.include({ level: 'info', from: 'info', to: 'gossip=debug:warn' })
    expect(lines[0]?.['address']).to.match(/^127\.0\.0\.1:\d+$/)
  })

  it('has nothing else', async () => {
    expect((await fetch(at('/elsewhere'))).status).to.equal(404)
    expect((await fetch(at('/metrics'), { method: 'POST' })).status).to.equal(404)
  })

  it('names a port that is taken', async () => {
    const second = new OperationsServer(
      {
        clock: systemClock,
        logging,
        metrics,
        version: { Version: '', CommitSHA: '' },
        conditions: () => [],
      },
      { listen: { host: '127.0.0.1', port: server.port } },
    )
    const error: unknown = await second.start().catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'PEER_PORT_BUSY')
    expect(second.state).to.equal('idle')
    await second.stop()
    await second.stop()
  })
})

describe('what the operations server refuses', () => {
  const metrics = createMetrics()
  const { logging, lines } = recording('info')
  const clock = new VirtualClock()
  const limits = { ...operationsLimits, maxConnections: 2, maxRefusalLinesPerMinute: 4 }
  const server = new OperationsServer(
    {
      clock,
      logging,
      metrics,
      version: { Version: '1.2.3', CommitSHA: 'abc' },
      conditions: () => [],
      logger: logging.logger,
    },
    { listen: { host: '127.0.0.1', port: 0 }, limits },
  )

  before(() => server.start())
  after(() => server.stop())
  beforeEach(async () => {
    await clock.advance(60_000)
    lines.length = 0
  })

  async function connected(): Promise<Socket> {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('connect', resolve))
    return socket
  }

  /** Sends a request, and waits for the answer. */
  async function ask(socket: Socket): Promise<void> {
    const answered = new Promise((resolve) => socket.once('data', resolve))
    socket.write('GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await answered
  }

  /** What comes back until the other side closes. */
  async function answerOn(socket: Socket): Promise<string> {
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    await new Promise((resolve) => socket.once('close', resolve))
    return text
  }

  async function expectWell(): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${server.port}/healthz`, {
      headers: { connection: 'close' },
    })
    expect(answer.status).to.equal(200)
  }

  const rubbish: [string, string, string, string][] = [
    ['zeros', '\0'.repeat(64 * 1024), '400', 'what came is not HTTP'],
    ['a word', 'hello\r\n\r\n', '400', 'what came is not HTTP'],
    [
      'TLS',
      `\x16\x03\x01\x02\0${'x'.repeat(512)}`,
      '400',
      'what came is not HTTP but TLS: this port does not use TLS',
    ],
    [
      'gRPC',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
      '400',
      'what came is not HTTP/1 but HTTP/2',
    ],
    [
      'headers of 64 KiB',
      `GET /healthz HTTP/1.1\r\nhost: localhost\r\nlong: ${'x'.repeat(64 * 1024)}\r\n\r\n`,
      '431',
      'the headers are too long',
    ],
    [
      'the wish for a proxy',
      'CONNECT example.com:443 HTTP/1.1\r\nhost: localhost\r\n\r\n',
      '405',
      'CONNECT: this port is not a proxy',
    ],
  ]
  for (const [what, bytes, status, reason] of rubbish) {
    it(`${what}: an answer, and one line with address and reason`, async () => {
      const socket = await connected()
      const address = `127.0.0.1:${socket.localPort}`
      const answer = answerOn(socket)
      socket.write(Buffer.from(bytes, 'latin1'))
      expect(await answer).to.match(new RegExp(`^HTTP/1\\.1 ${status} `))
      await expectWell()
      expect(lines).to.have.length(1)
      expect(lines[0]).to.include({
        level: 'warn',
        msg: 'request refused',
        port: 'operations',
        address,
        reason,
      })
    })
  }

  it('half a request, and no more', async () => {
    const socket = await connected()
    const answer = answerOn(socket)
    socket.end('GET /healthz HT')
    await answer
    await expectWell()
    expect(lines).to.have.length(1)
    expect(lines[0]).to.include({ reason: 'the connection ended in the middle of a request' })
  })

  it('a body that is too long', async () => {
    const body = 'x'.repeat(maxRequestBytes + 1)
    const socket = await connected()
    const address = `127.0.0.1:${socket.localPort}`
    const answer = answerOn(socket)
    socket.write(
      `PUT /logspec HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    expect(await answer).to.match(/^HTTP\/1\.1 400 /)
    expect(lines).to.have.length(1)
    expect(lines[0]).to.include({ address, reason: 'the body is longer than 4096 bytes' })
  })

  it('who says nothing for setupTimeoutMs, and not who has asked before', async () => {
    const silent = await connected()
    const asking = await connected()
    await ask(asking)
    const answer = answerOn(silent)
    await clock.advance(operationsLimits.setupTimeoutMs - 1)
    expect(lines).to.deep.equal([])
    await clock.advance(1)
    expect(await answer).to.match(/^HTTP\/1\.1 408 /)
    expect(lines).to.have.length(1)
    expect(lines[0]).to.include({ reason: 'no request within 5000 ms' })
    expect(asking.destroyed).to.equal(false)
    const end = answerOn(asking)
    asking.destroy()
    await end
  })

  it('the one that has been silent for longest, when there are more than maxConnections', async () => {
    const asked = await connected()
    const silent = await connected()
    await ask(asked)
    await clock.advance(1)
    await ask(asked)
    const address = `127.0.0.1:${silent.localPort}`
    const cut = answerOn(silent)
    await expectWell() // a third connection
    await cut
    expect(lines).to.have.length(1)
    expect(lines[0]).to.include({
      msg: 'connection closed',
      reason: '2 connections are open, and it has been silent the longest',
      address,
    })
    expect(asked.destroyed).to.equal(false)
    const end = answerOn(asked)
    asked.destroy()
    await end
  })

  it('nobody’s probe, while 300 connections are opened and say nothing', async () => {
    const idle: Socket[] = []
    for (let count = 0; count < 300; count++) idle.push(await connected())
    await expectWell()
    // All but maxConnections - 1: one place went to the probe.
    const open = idle.slice(0, -1).filter((socket) => !socket.destroyed)
    await Promise.all(open.map((socket) => once(socket, 'close')))
    idle.at(-1)?.destroy()
    await expectWell()
  })

  it('who keeps a connection idle for idleTimeoutMs after its answer', async () => {
    const socket = await connected()
    const end = answerOn(socket)
    await ask(socket)
    await clock.advance(operationsLimits.idleTimeoutMs - 1)
    await ask(socket)
    await clock.advance(operationsLimits.idleTimeoutMs - 1)
    expect(socket.destroyed).to.equal(false)
    await clock.advance(1)
    await end
    expect(lines, 'nothing is wrong with that').to.deep.equal([])
  })

  it('who asks again before the answer: at once, whatever else has come, and nobody else', async () => {
    const asking = await connected()
    await ask(asking)
    await ask(asking)
    const socket = await connected()
    const end = answerOn(socket)
    socket.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(1000))
    expect(await end).to.equal('')
    expect(lines).to.have.length(1)
    const reason = 'a further request came before the answer to the last one'
    expect(lines[0]).to.include({ msg: 'request refused', reason })
    await ask(asking)
    asking.destroy()
  })

  it('who asks again before the answer, whatever he expects', async () => {
    const asking = await connected()
    const end = answerOn(asking)
    asking.write('GET /version HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\n\r\n'.repeat(3))
    expect(await end).to.equal('')
    expect(lines).to.have.length(1)
    const reason = 'a further request came before the answer to the last one'
    expect(lines[0]).to.include({ msg: 'request refused', reason })
  })

  it('who sends a request in part, or does not take its answer, within answerTimeoutMs', async () => {
    const socket = await connected()
    const end = answerOn(socket)
    const seen = new Promise((resolve) => socket.once('data', resolve))
    socket.write(
      'PUT /logspec HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n{',
    )
    await seen
    await clock.advance(operationsLimits.answerTimeoutMs - 1)
    expect(lines).to.deep.equal([])
    await clock.advance(1)
    await end
    expect(lines[0]).to.include({ reason: 'the answer was not taken within 10000 ms' })
  })

  it('a flood, with maxRefusalLinesPerMinute lines and the rest counted', async () => {
    for (let index = 0; index < 6; index++) {
      const socket = await connected()
      const answer = answerOn(socket)
      socket.write('?')
      await answer
    }
    expect(lines.filter(({ msg }) => msg === 'request refused')).to.have.length(4)
    const text = await metrics.text()
    expect(text).to.include('listener_refusals_not_logged_total{port="operations"} 2')
  })

  it('cuts who does not go away after a refusal', async () => {
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    const answer = answerOn(socket)
    socket.on('error', () => undefined)
    const told = new Promise((resolve) => socket.once('data', resolve))
    socket.write('?')
    await told
    await clock.advance(1000)
    // It learns of it when it goes on.
    socket.end('more')
    await answer
    await expectWell()
    expect(clock.pending, 'no timer is left').to.equal(0)
  })
})
