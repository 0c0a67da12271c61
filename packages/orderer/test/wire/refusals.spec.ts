import { type Socket, connect as connectTcp } from 'node:net'
import { type ConnectionOptions, type TLSSocket, connect as connectTls } from 'node:tls'
import { Client, credentials } from '@grpc/grpc-js'
import { VirtualClock } from '@heddle/events/testing'
import type { LogFields, Logger, MetricLabels, Metrics } from '@heddle/interface'
import { createTestOrganization } from '@heddle/msp/testing'
import { expect } from 'chai'
import { type OrdererServerOptions } from '../../src/index.ts'
import { type Fixture, envelope, organization, serve } from '../harness.ts'

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const settings = '\0\0\0\x04\0\0\0\0\0'
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const asIs = (bytes: Buffer): Buffer => bytes

/** A further service, such as the query service of a peer: one method that wants `{`. */
const picky = {
  definition: {
    ask: {
      path: '/test.Picky/Ask',
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: (bytes: Buffer): Buffer => {
        if (bytes[0] !== 0x7b) throw new SyntaxError('no {')
        return bytes
      },
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  },
  handlers: {
    ask: (call: { request: Buffer }, reply: (error: null, answer: Buffer) => void) =>
      reply(null, call.request),
  },
}

describe('what the port of an OrdererServer refuses', function () {
  this.timeout(30_000) // a loaded machine takes its time

  let fixture: Fixture
  let warnings: (LogFields & { readonly event: string })[]
  let counted: Map<string, number>
  let wake: () => void
  const silent = (): undefined => undefined
  const logger: Logger = {
    debug: silent,
    info: silent,
    error: silent,
    warn: (event, fields) => {
      warnings.push({ event, ...fields })
      wake()
    },
    child: () => logger,
  }
  const nothing = { set: silent, observe: silent }
  const metrics: Metrics = {
    counter: ({ name }) => ({
      add: (value: number, labels: MetricLabels = {}) => {
        const key = `${name} ${labels['port'] ?? ''}`
        counted.set(key, (counted.get(key) ?? 0) + value)
      },
    }),
    gauge: () => nothing,
    histogram: () => nothing,
  }

  beforeEach(() => {
    warnings = []
    counted = new Map()
    wake = silent
  })
  afterEach(() => fixture.close())

  async function start(
    options: Partial<OrdererServerOptions> = {},
    clock = new VirtualClock(),
  ): Promise<VirtualClock> {
    const deps = { logger, metrics, clock, services: [picky] }
    fixture = await serve({ ...options, deps })
    return clock
  }

  const port = (): number => Number(fixture.server.address!.split(':')[1])

  async function tcp(): Promise<Socket> {
    const socket = connectTcp(port(), '127.0.0.1')
    socket.on('error', silent)
    socket.resume()
    await new Promise((resolve) => socket.once('connect', resolve))
    return socket
  }

  async function tls(
    present: ConnectionOptions = {},
    until: readonly string[] = ['secureConnect'],
  ): Promise<TLSSocket> {
    const { roots, key, certificate } = fixture.clientTls
    const socket = connectTls({
      host: 'localhost',
      port: port(),
      ca: [...roots],
      ALPNProtocols: ['h2'],
      key,
      cert: certificate,
      ...present,
    })
    socket.on('error', silent)
    socket.resume()
    await new Promise<void>((resolve) => {
      for (const event of until) socket.once(event, () => resolve())
    })
    return socket
  }

  const closed = (socket: Socket): Promise<void> =>
    new Promise((resolve) => socket.once('close', () => resolve()))

  /** Waits for as many warnings; then an honest client still gets through, and there are no more. */
  async function expectWarnings(...expected: LogFields[]): Promise<void> {
    while (warnings.length < expected.length) {
      await new Promise<void>((resolve) => (wake = resolve))
    }
    const good = fixture.connect('broadcast')
    good.send(envelope(fixture.signer))
    await good.answer()
    expect(warnings).to.have.length(expected.length)
    for (const [index, fields] of expected.entries()) expect(warnings[index]).to.include(fields)
  }

  const refused = (reason: string): LogFields => ({
    event: 'connection refused',
    port: 'orderer',
    reason,
  })

  // Otherwise a certificate that was shown once, and has expired or was revoked since, would count on.
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`a client that resumes a session of ${maxVersion} instead of showing its certificate`, async () => {
      await start()
      const first = await tls({ maxVersion })
      const session = await new Promise<Buffer>((resolve) => {
        first.once('session', resolve)
        const given = first.getSession()
        if (maxVersion === 'TLSv1.2' && given !== undefined) resolve(given)
      })
      first.destroy()
      const { clientTls } = fixture
      const expired = await (
        await organization()
      ).tls('client', {
        notBefore: new Date(Date.now() - 2 * 86_400_000),
        notAfter: new Date(Date.now() - 86_400_000),
      })
      const without = { key: undefined, cert: undefined }
      for (const shown of [without, { key: expired.key, cert: expired.certificate }]) {
        const again = await tls({ maxVersion, session, ...shown }, ['secureConnect', 'close'])
        expect(again.isSessionReused()).not.to.equal(true)
        if (!again.destroyed) await closed(again)
      }
      const good = await tls({
        maxVersion,
        session,
        key: clientTls.key,
        cert: clientTls.certificate,
      })
      expect(good.isSessionReused(), 'not even for who may come in').to.equal(false)
      good.destroy()
      expect(warnings.map(({ event }) => event)).to.deep.equal([
        ...['connection refused', 'connection refused'],
      ])
    })
  }

  const withoutTls: [string, string, string][] = [
    ['garbage', '\x7f'.repeat(100_000), 'what came is not TLS'],
    ['HTTP/1', 'GET / HTTP/1.1\r\n\r\n', 'HTTP/1 without TLS: this port wants TLS and HTTP/2'],
    ['gRPC without TLS', preface + settings, 'HTTP/2 without TLS: this port wants TLS'],
  ]
  for (const [what, bytes, reason] of withoutTls) {
    it(`${what} instead of TLS: one line with address and reason`, async () => {
      await start()
      const socket = await tcp()
      const address = `127.0.0.1:${socket.localPort}`
      const end = closed(socket)
      socket.write(latin1(bytes))
      await end
      await expectWarnings({ ...refused(reason), address })
      expect(counted.get('listener_refusals_total orderer')).to.equal(1)
    })
  }

  const insideTls: [string, string, string][] = [
    ['garbage', '\x7f'.repeat(100_000), 'what came inside TLS is not HTTP/2'],
    ['HTTP/1', 'POST / HTTP/1.1\r\n\r\n', 'HTTP/1 inside TLS: this port wants HTTP/2'],
    [
      'a preface and garbage',
      preface + '\x7f'.repeat(1000),
      'the HTTP/2 inside TLS does not begin with its settings',
    ],
  ]
  for (const [what, bytes, reason] of insideTls) {
    it(`${what} instead of HTTP/2 inside TLS: one line with the reason`, async () => {
      await start()
      const socket = await tls()
      const end = closed(socket)
      socket.write(latin1(bytes))
      await end
      await expectWarnings(refused(reason))
    })
  }

  it('garbage inside TLS of who has no certificate, when none is required', async () => {
    const material = await (await organization()).tls('orderer')
    await start({ tls: { ...material, requireClientCertificate: false } })
    const socket = await tls({ key: undefined, cert: undefined })
    const end = closed(socket)
    socket.write('?')
    await end
    await expectWarnings(refused('what came inside TLS is not HTTP/2'))
  })

  it('a certificate of another CA, and none at all', async () => {
    await start()
    const other = await (await createTestOrganization({ mspId: 'Other' })).tls('client')
    await closed(await tls({ key: other.key, cert: other.certificate }))
    await expectWarnings(
      refused('its TLS certificate is not of a known CA: UNABLE_TO_GET_ISSUER_CERT_LOCALLY'),
    )
    await closed(await tls({ key: undefined, cert: undefined }))
    await expectWarnings({}, refused('the client has no TLS certificate'))
  })

  it('who says nothing, without and inside TLS, for setupTimeoutMs and not before', async () => {
    const clock = await start({ setupTimeoutMs: 3000 })
    const first = await tcp()
    const second = await tls()
    const begun = await tls()
    const answered = new Promise((resolve) => begun.once('data', resolve))
    begun.write(latin1(preface + settings))
    await answered
    const ends = [closed(first), closed(second)]
    await clock.advance(2999)
    expect(warnings).to.deep.equal([])
    await clock.advance(1)
    await Promise.all(ends)
    await expectWarnings(refused('no TLS within 3000 ms'), refused('no HTTP/2 within 3000 ms'))
    expect(begun.destroyed, 'who speaks HTTP/2 may stay').to.equal(false)
    begun.destroy()
  })

  it('the oldest of more than maxPendingConnections that say nothing', async () => {
    await start({ maxPendingConnections: 2 })
    const sockets = [await tcp(), await tcp()]
    const end = closed(sockets[0]!)
    sockets.push(await tcp())
    await end
    while (warnings.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    expect(warnings).to.have.length(1)
    expect(warnings[0]).to.include(refused('no TLS yet, and 2 newer connections wait'))
    for (const socket of sockets) socket.destroy()
  })

  it('a frame above maxMessageBytes, on a stream and in a call of a further service', async () => {
    await start({ maxMessageBytes: 10_000, maxEnvelopeBytes: 5000 })
    const stream = fixture.connect('broadcast')
    stream.send(Buffer.alloc(10_001))
    const error = await stream.next().catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 8) // RESOURCE_EXHAUSTED
    const tooLong = { event: 'call refused', port: 'orderer', code: 'RESOURCE_EXHAUSTED' }
    await expectWarnings({ ...tooLong, method: '/orderer.AtomicBroadcast/Broadcast' })
    await ask(Buffer.alloc(10_001))
    await expectWarnings({}, { ...tooLong, method: picky.definition.ask.path })
    for (const { reason, address } of warnings) {
      expect(reason).to.match(/larger than max \(10001 vs\.? 10000\)/)
      expect(address).to.match(/:\d+$/)
    }
  })

  it('a request of a further service that cannot be decoded', async () => {
    await start()
    await ask(Buffer.from('garbage'))
    await expectWarnings({
      event: 'call refused',
      port: 'orderer',
      method: picky.definition.ask.path,
      code: 'INTERNAL',
      reason: 'Error deserializing request',
    })
  })

  it('a flood, with maxRefusalLinesPerMinute lines and the rest counted', async () => {
    const clock = await start({ maxRefusalLinesPerMinute: 3 })
    const flood = async (): Promise<void> => {
      const socket = await tcp()
      const end = closed(socket)
      socket.write('?')
      await end
    }
    for (let i = 0; i < 10; i++) await flood()
    const lines = (): number =>
      warnings.filter(({ event }) => event === 'connection refused').length
    expect(lines()).to.equal(3)
    expect(counted.get('listener_refusals_not_logged_total orderer')).to.equal(7)
    await clock.advance(60_000)
    await flood()
    expect(lines()).to.equal(4)
  })

  /** Somebody at each step of a connection, who says no more. */
  async function silentOnes(): Promise<readonly Socket[]> {
    const begun = await tls()
    const answered = new Promise((resolve) => begun.once('data', resolve))
    begun.write(latin1(preface + settings))
    await answered
    const half = await tls()
    half.write(latin1(preface.slice(0, 5)))
    const hello = await tcp()
    hello.write(latin1('\x16\x03\x01'))
    return [await tcp(), hello, await tls(), half, begun]
  }

  // Without the signal no drain time passes either: the clock stands still.
  for (const how of ['gently', 'at once']) {
    it(`nobody who says nothing when it stops ${how}: they are cut in silence`, async () => {
      await start()
      const ends = (await silentOnes()).map(closed)
      const signal = how === 'gently' ? undefined : AbortSignal.abort()
      await fixture.server.stop({ ...(signal && { signal }) })
      await Promise.all(ends)
      expect(warnings).to.deep.equal([])
    })
  }

  /** Calls the further service. Resolves when the call has ended, however it did. */
  async function ask(request: Buffer): Promise<void> {
    const { roots, key, certificate } = fixture.clientTls
    const client = new Client(
      fixture.server.address!,
      credentials.createSsl(
        Buffer.from(roots.join('')),
        Buffer.from(key),
        Buffer.from(certificate),
      ),
      { 'grpc.max_send_message_length': -1 },
    )
    await new Promise<void>((resolve) => {
      client.makeUnaryRequest(picky.definition.ask.path, asIs, asIs, request, () => resolve())
    })
    client.close()
  }
})
