import { type Server, connect as plain, createServer } from 'node:net'
import { type TLSSocket, connect } from 'node:tls'
import { Client, credentials } from '@grpc/grpc-js'
import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import { createTestOrganization } from '@heddle/msp/testing'
import { type OrdererServerOptions, createOrdererServer } from '../../src/index.ts'
import { type Fixture, envelope, organization, seek, serve } from '../harness.ts'

describe('OrdererServer', function () {
  this.timeout(30_000) // a loaded machine takes its time

  let fixture: Fixture | undefined
  afterEach(async () => {
    await fixture?.close()
    fixture = undefined
  })

  async function options(port = 0): Promise<OrdererServerOptions> {
    const tls = await (await organization()).tls('orderer')
    return { listen: { host: 'localhost', port }, tls }
  }
  const deps = { chains: () => undefined, clock: systemClock }

  it('listens only between start and stop, both of which may be called twice', async () => {
    const server = createOrdererServer(deps, await options())
    expect(server.state).to.equal('idle')
    expect(server.address).to.equal(undefined)
    await Promise.all([server.start(), server.start()])
    expect(server.state).to.equal('started')
    expect(server.address).to.match(/^localhost:\d+$/)
    await Promise.all([server.stop(), server.stop()])
    expect([server.state, server.address]).to.deep.equal(['stopped', undefined])
    const error = await server.start().catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'ORDERER_STOPPED')
  })

  it('may be stopped without having been started', async () => {
    const server = createOrdererServer(deps, await options())
    await server.stop()
    expect(server.state).to.equal('stopped')
  })

  it('says so when the port is taken, and can start once it is free', async () => {
    const blocker: Server = createServer()
    await new Promise<void>((resolve) => blocker.listen(0, 'localhost', resolve))
    const { port } = blocker.address() as { port: number }
    const server = createOrdererServer(deps, await options(port))
    const error = await server.start().catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'ORDERER_LISTEN_FAILED')
    expect(server.state).to.equal('idle')
    await new Promise((resolve) => blocker.close(resolve))
    await server.start()
    await server.stop()
  })

  it('does not start when its signal is aborted already', async () => {
    const server = createOrdererServer(deps, await options())
    const reason = new Error('no')
    const error = await server.start({ signal: AbortSignal.abort(reason) }).catch((e: unknown) => e)
    expect(error).to.equal(reason)
    expect(server.state).to.equal('idle')
  })

  it('answers what is under way when it stops', async () => {
    fixture = await serve()
    fixture.chain.hold()
    const stream = fixture.connect('broadcast')
    stream.send(envelope(fixture.signer))
    await fixture.chain.queued(1)
    const stopped = fixture.server.stop()
    fixture.chain.release()
    expect((await stream.answer()).status).to.equal('SUCCESS')
    expect(await stream.next()).to.equal(undefined)
    await stopped
  })

  it('cuts what does not finish within the drain time', async () => {
    fixture = await serve({ drainTimeoutMs: 1 })
    fixture.chain.hold()
    const stream = fixture.connect('broadcast')
    stream.send(envelope(fixture.signer))
    await fixture.chain.queued(1)
    await fixture.server.stop()
    const error = await stream.next().catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(Error)
  })

  it('tells readers SERVICE_UNAVAILABLE when it stops', async () => {
    fixture = await serve()
    await fixture.chain.appendBlock([Buffer.from('x')])
    const stream = fixture.connect('deliver')
    stream.send(seek(fixture, { start: 0n, stop: 99n }))
    await stream.frame()
    const stopped = fixture.server.stop()
    expect(await stream.frames()).to.deep.equal(['SERVICE_UNAVAILABLE'])
    await stopped
  })

  it('serves further services on the same port', async () => {
    const bytes = (value: Buffer): Buffer => value
    const echo = {
      path: '/test.Echo/Say',
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    }
    fixture = await serve({
      deps: {
        services: [
          {
            definition: { say: echo },
            handlers: {
              say: (call: { request: Buffer }, done: (error: null, value: Buffer) => void) =>
                done(null, call.request),
            },
          },
        ],
      },
    })
    const { roots, key, certificate } = fixture.clientTls
    const secure = credentials.createSsl(
      Buffer.from(roots.join('')),
      Buffer.from(key),
      Buffer.from(certificate),
    )
    const client = new Client(fixture.server.address!, secure)
    const answer = await new Promise((resolve, reject) => {
      client.makeUnaryRequest(echo.path, bytes, bytes, Buffer.from('hi'), (error, value) =>
        error ? reject(error) : resolve(String(value)),
      )
    })
    client.close()
    expect(answer).to.equal('hi')
  })

  it('lets in no client of another authority, and none without certificate', async () => {
    fixture = await serve()
    const other = await (await createTestOrganization({ mspId: 'Other' })).tls('client')
    const { roots } = fixture.clientTls
    for (const tls of [
      { ...other, roots },
      { roots, key: undefined, certificate: undefined },
    ]) {
      const stream = fixture.connect('broadcast', tls)
      stream.send(envelope(fixture.signer))
      const error = await stream.next().catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(Error)
    }
    const good = fixture.connect('broadcast')
    good.send(envelope(fixture.signer))
    expect((await good.answer()).status).to.equal('SUCCESS')
  })

  it('survives garbage on its port, in plain and in TLS', async () => {
    fixture = await serve()
    const [, port] = fixture.server.address!.split(':')
    const { roots, key, certificate } = fixture.clientTls
    const raw = plain(Number(port), 'localhost')
    const tls: TLSSocket = connect({
      host: 'localhost',
      port: Number(port),
      ca: [...roots],
      key,
      cert: certificate,
      ALPNProtocols: ['h2'],
    })
    for (const socket of [raw, tls]) {
      socket.on('error', () => undefined)
      socket.resume()
      await new Promise<void>((resolve) => {
        socket.on('close', () => resolve())
        socket.write(Buffer.alloc(100_000, 0x7f))
      })
    }
    const good = fixture.connect('broadcast')
    good.send(envelope(fixture.signer))
    expect((await good.answer()).status).to.equal('SUCCESS')
  })

  it('ends only the stream of a message above the gRPC limit', async () => {
    fixture = await serve({ maxMessageBytes: 10_000, maxEnvelopeBytes: 5000 })
    const good = fixture.connect('broadcast')
    const stream = fixture.connect('broadcast')
    stream.send(Buffer.alloc(10_001))
    const error = await stream.next().catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 8) // RESOURCE_EXHAUSTED
    good.send(envelope(fixture.signer))
    expect((await good.answer()).status).to.equal('SUCCESS')
  })

  const wrong: [string, (right: OrdererServerOptions) => OrdererServerOptions][] = [
    ['a window of 0', (right) => ({ ...right, broadcastWindow: 0 })],
    ['a limit that is no whole number', (right) => ({ ...right, maxEnvelopeBytes: 1.5 })],
    ['a negative time window', (right) => ({ ...right, timeWindowMs: -1 })],
    ['no authority of clients', (right) => ({ ...right, tls: { ...right.tls, roots: [] } })],
    ['an empty authority', (right) => ({ ...right, tls: { ...right.tls, roots: [''] } })],
    ['an option that it does not know', (right) => ({ ...right, timewindowMs: 1 }) as typeof right],
    [
      'an option of tls that it does not know',
      (right) => ({ ...right, tls: { ...right.tls, requireClientCertficate: false } }),
    ],
    [
      'an option of listen that it does not know',
      (right) => ({ ...right, listen: { ...right.listen, prot: 1 } }),
    ],
    ['a port that is none', (right) => ({ ...right, listen: { ...right.listen, port: 65_536 } })],
    [
      'a certificate that is none',
      (right) => ({ ...right, tls: { ...right.tls, certificate: 'x' } }),
    ],
    [
      'a certificate instead of the key',
      (right) => ({ ...right, tls: { ...right.tls, key: right.tls.certificate } }),
    ],
  ]
  for (const [what, spoil] of wrong) {
    it(`refuses ${what} at construction, in words of its own`, async () => {
      const right = await options()
      expect(() => createOrdererServer(deps, spoil(right)))
        .to.throw()
        .with.property('code', 'ORDERER_INVALID_OPTIONS')
      expect(() => createOrdererServer(deps, spoil(right))).not.to.throw(/routines|OSSL|:0\d{7}:/)
    })
  }
})
