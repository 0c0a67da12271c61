import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { Client, credentials, status } from '@grpc/grpc-js'
import type { ClientReadableStream, ServerWritableStream, ServiceError } from '@grpc/grpc-js'
import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import { burstSeconds, organizationBurstSeconds } from '../../src/client-budgets.ts'
import { readCost } from '../../src/deliver.ts'
import type { TlsMaterial } from '@heddle/msp/testing'
import type { ExtraService, OrdererServerOptions } from '../../src/index.ts'
import { type Fixture, organization, otherTls, serve, until } from '../harness.ts'

const asIs = (bytes: Buffer): Buffer => bytes
const mebibyte = 1024 * 1024
const exhausted = status.RESOURCE_EXHAUSTED

/** A method that answers so many times with so many bytes, as fast as it may; `/t.T/One` answers once. */
function answering(): ExtraService & { started: number; cancelled: number } {
  const method = {
    ...{ requestStream: false, requestSerialize: asIs, requestDeserialize: asIs },
    ...{ responseSerialize: asIs, responseDeserialize: asIs },
  }
  const service = {
    ...{ started: 0, cancelled: 0 },
    definition: {
      many: { ...method, path: '/t.T/Many', responseStream: true },
      one: { ...method, path: '/t.T/One', responseStream: false },
    },
    handlers: {
      many(call: ServerWritableStream<Buffer, Buffer>) {
        call.on('cancelled', () => service.cancelled++)
        const [count = 0, bytes = 0] = call.request.toString().split('x').map(Number)
        for (let i = 0; i < count; i++) call.write(Buffer.alloc(bytes))
        if (count > 0) call.end()
        service.started++
      },
      one(call: { request: Buffer }, reply: (error: null, answer: Buffer) => void) {
        reply(null, Buffer.alloc(Number(call.request.toString())))
      },
    },
  }
  return service
}

describe('bounds of clients', () => {
  let fixture: Fixture
  let service: ReturnType<typeof answering>
  let clock: VirtualClock
  const clients: Client[] = []
  const sessions: ClientHttp2Session[] = []
  const ends = new Map<ClientReadableStream<Buffer>, Promise<status>>()

  async function start(options: Partial<OrdererServerOptions>): Promise<void> {
    service = answering()
    clock = new VirtualClock()
    fixture = await serve({ ...options, deps: { services: [service], clock } })
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    for (const session of sessions.splice(0)) session.destroy()
    await fixture.close()
    expect(clock.pending, 'timers left').to.equal(0)
  })

  /** Of the other organisation by that name; else with a certificate of this name of the same. */
  async function tlsOf(name?: string): Promise<TlsMaterial> {
    if (name === undefined) return fixture.clientTls
    return name === 'foreign' ? otherTls() : (await organization()).tls(name)
  }

  async function client(name?: string): Promise<Client> {
    const tls = await tlsOf(name)
    const ssl = credentials.createSsl(
      Buffer.from(tls.roots.join('')),
      Buffer.from(tls.key),
      Buffer.from(tls.certificate),
    )
    const opened = new Client(fixture.server.address!, ssl, {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    })
    clients.push(opened)
    return opened
  }

  function many(from: Client, what: string): ClientReadableStream<Buffer> {
    const call = from.makeServerStreamRequest('/t.T/Many', asIs, asIs, Buffer.from(what))
    const end = new Promise<status>((resolve) =>
      call.once('error', ({ code }: ServiceError) => resolve(code)),
    )
    ends.set(call, end)
    return call
  }

  function one(from: Client, bytes: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const request = Buffer.from(String(bytes))
      from.makeUnaryRequest('/t.T/One', asIs, asIs, request, (error, answer) =>
        answer === undefined ? reject(error as Error) : resolve(answer),
      )
    })
  }

  /** The code with which a call ends. */
  async function endOf(call: ClientReadableStream<Buffer>): Promise<status | undefined> {
    call.resume()
    return ends.get(call)
  }

  /** Everything that comes of a call. */
  async function read(call: ClientReadableStream<Buffer>): Promise<number> {
    let bytes = 0
    for await (const answer of call as AsyncIterable<Buffer>) bytes += answer.length
    return bytes
  }

  it('give a client maxStreamsPerClient streams, over all its connections, and others theirs', async () => {
    await start({ maxStreamsPerClient: 2 })
    const [first, second, other] = [await client(), await client(), await client('another')]
    const open = [many(first, ''), many(second, '')]
    await one(first, 1)
    await one(second, 1)
    expect(await endOf(many(first, '1x1'))).to.equal(exhausted)
    expect(await read(many(other, '1x1'))).to.equal(1)
    open[0]?.cancel()
    await one(first, 1)
    expect(await read(many(second, '1x1'))).to.equal(1)
  })

  it('pace what services stream as blocks that are read: for a client, and for its organisation', async () => {
    const bounds = { maxBlockBytesPerSecondPerClient: readCost }
    await start({ ...bounds, maxBlockBytesPerSecondPerOrganization: 2.5 * readCost })
    const before = clock.pending
    expect(await read(many(await client('another'), '1x1'))).to.equal(1)
    // The last one that goes out has exceeded the burst by its bytes, which come back in a millisecond.
    const stream = many(await client(), `${burstSeconds}x1`)
    let came = 0
    stream.on('data', () => came++)
    await until(() => came === burstSeconds - 1 && clock.pending > before)
    expect(await read(many(await client('foreign'), '1x1')), 'of another').to.equal(1)
    expect(came).to.equal(burstSeconds - 1)
    await clock.advance(1)
    await until(() => came === burstSeconds)
    stream.cancel()
  })

  it('give a client maxCallsPerClient calls of any kind', async () => {
    await start({ maxCallsPerClient: 1 })
    const from = await client()
    const open = many(from, '')
    const failure = await one(from, 1).catch((error: unknown) => error)
    expect(failure).to.have.property('code', exhausted)
    open.cancel()
    expect(await one(await client('another'), 1)).to.have.length(1)
  })

  it('give the clients of an organisation maxStreamsPerOrganization streams, and another its own', async () => {
    await start({ maxStreamsPerOrganization: 2 })
    const [first, second] = [await client(), await client('another')]
    const open = [many(first, ''), many(second, '')]
    await one(first, 1)
    await one(second, 1)
    expect(await endOf(many(await client('a third'), '1x1'))).to.equal(exhausted)
    expect(await read(many(await client('foreign'), '1x1'))).to.equal(1)
    open[0]?.cancel()
    await one(first, 1)
    expect(await read(many(second, '1x1'))).to.equal(1)
  })

  it('give the clients of an organisation maxCallsPerOrganization calls of any kind', async () => {
    await start({ maxCallsPerOrganization: 1 })
    const open = many(await client(), '')
    await until(() => service.started === 1)
    const from = await client('another')
    const failure = await one(from, 1).catch((error: unknown) => error)
    expect(failure).to.have.property('code', exhausted)
    expect(await one(await client('foreign'), 1)).to.have.length(1)
    open.cancel()
    await until(() => service.cancelled === 1)
    expect(await one(from, 1)).to.have.length(1)
  })

  it('begin maxCallsPerSecondPerOrganization calls in a second, twice as many at once', async () => {
    await start({ maxCallsPerSecondPerClient: 2, maxCallsPerSecondPerOrganization: 3 })
    const [first, second] = [await client(), await client('another')]
    for (let count = 0; count < 3; count++) await one(first, 1)
    for (let count = 3; count < 3 * organizationBurstSeconds; count++) await one(second, 1)
    const others = clock.pending
    let isAnswered = false
    const waits = one(second, 1).finally(() => (isAnswered = true))
    await until(() => clock.pending === others + 1)
    expect(await one(await client('foreign'), 1), 'of another').to.have.length(1)
    await clock.advance(333)
    expect(isAnswered).to.equal(false)
    await clock.advance(1)
    expect(await waits, 'when its turn has come').to.have.length(1)
  })

  it('count no call for the organisation before its client may have it', async () => {
    await start({ maxCallsPerSecondPerClient: 1, maxCallsPerSecondPerOrganization: 5 })
    const greedy = await client()
    for (let count = 0; count < burstSeconds; count++) await one(greedy, 1)
    const others = clock.pending
    const waiting = Array.from({ length: 20 }, () => one(greedy, 1).catch(() => undefined))
    await until(() => clock.pending === others + waiting.length)
    const second = await client('another')
    for (let count = 0; count < burstSeconds; count++)
      expect(await one(second, 1), 'of another client').to.have.length(1)
    await clock.advance(20_000)
    await Promise.all(waiting)
  })

  it('begin maxCallsPerSecondPerClient calls in a second, five times as many at once; others wait for their turn', async () => {
    await start({ maxCallsPerSecondPerClient: 2, maxCallsPerClient: 2 })
    const from = await client()
    for (let count = 0; count < 2 * burstSeconds; count++) await one(from, 1)
    const others = clock.pending
    const waits = one(from, 1)
    await until(() => clock.pending === others + 1)
    const leaves = many(from, '')
    await until(() => clock.pending === others + 2)
    leaves.cancel()
    await until(() => clock.pending === others + 1)
    expect(await one(await client('another'), 1), 'of another').to.have.length(1)
    let isAnswered = false
    void waits.then(() => (isAnswered = true))
    await clock.advance(499)
    expect(isAnswered).to.equal(false)
    await clock.advance(1)
    expect(await waits, 'when its turn has come').to.have.length(1)
    const next = one(from, 1)
    await until(() => clock.pending === others + 1)
    await clock.advance(1000)
    expect(await next, 'a call that left holds no place').to.have.length(1)
    expect(service.started, 'what left before its turn').to.equal(0)
  })

  /**
   * A call with three answers of a MiB that nobody reads, of which one waits in the server. A client of
   * grpc-js would take them all: this one has a window of 64 KiB.
   */
  async function unread(name?: string): Promise<ClientHttp2Stream> {
    const tls = await tlsOf(name)
    const { certificate: cert, key, roots } = tls
    const session = connectHttp2(`https://${fixture.server.address!}`, {
      ...{ cert, key, ca: [...roots], settings: { initialWindowSize: 65_535 } },
    })
    sessions.push(session.on('error', () => undefined))
    const before = service.started
    const headers = { 'content-type': 'application/grpc', te: 'trailers' }
    const stream = session.request({ ':method': 'POST', ':path': '/t.T/Many', ...headers })
    stream.on('error', () => undefined)
    const request = Buffer.from(`3x${mebibyte}`)
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, request.length]), request]))
    await until(() => service.started === before + 1)
    return stream
  }

  /** Its bytes, with those that gRPC puts before each answer. */
  async function readRest(stream: ClientHttp2Stream): Promise<number> {
    let bytes = 0
    for await (const part of stream as AsyncIterable<Buffer>) bytes += part.length
    return bytes
  }

  /** With what the server ended it. */
  async function resetOf(stream: ClientHttp2Stream): Promise<number | undefined> {
    if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve))
    return stream.rstCode
  }

  it('let a client leave one answer of any length unread, or maxUnsentBytesPerClient', async () => {
    await start({ maxUnsentBytesPerClient: 2 * mebibyte })
    const from = await client()
    expect(await one(from, 3 * mebibyte), 'one always').to.have.length(3 * mebibyte)
    const open = [await unread(), await unread()]
    expect(await endOf(many(from, '1x1'))).to.equal(exhausted)
    const all = 3 * (mebibyte + 5)
    expect(await Promise.all(open.map(readRest))).to.deep.equal([all, all])
    expect(await read(many(from, '1x1'))).to.equal(1)
  })

  it('let the clients of an organisation leave maxUnsentBytesPerOrganization unread', async () => {
    await start({ maxUnsentBytesPerOrganization: 2 * mebibyte, maxUnsentBytesPerClient: 1 })
    const open = [await unread(), await unread('another')]
    expect(await endOf(many(await client('a third'), '1x1'))).to.equal(exhausted)
    expect(await read(many(await client('foreign'), '1x1'))).to.equal(1)
    const all = 3 * (mebibyte + 5)
    expect(await Promise.all(open.map(readRest))).to.deep.equal([all, all])
    expect(await read(many(await client(), '1x1'))).to.equal(1)
  })

  it('let whoever has not read for the longest time give way when clients hold maxUnsentBytes', async () => {
    await start({ maxUnsentBytes: 1.5 * mebibyte })
    const reader = await client('another')
    const forgotten = await unread()
    expect(await read(many(reader, `3x${mebibyte}`))).to.equal(3 * mebibyte)
    expect(await resetOf(forgotten)).to.equal(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  })

  /** A call whose only message has begun, with so many bytes, and lacks the last one. */
  async function begun(bytes: number, name?: string): Promise<ClientHttp2Stream> {
    const stream = await called(name)
    const session = stream.session!
    const head = Buffer.alloc(5)
    head.writeUInt32BE(bytes + 1, 1)
    await new Promise((sent) => stream.write(Buffer.concat([head, Buffer.alloc(bytes)]), sent))
    // It is there when the ping behind it is.
    await new Promise((there) => session.ping(there))
    return stream
  }

  async function called(name?: string): Promise<ClientHttp2Stream> {
    const tls = name === undefined ? fixture.clientTls : await (await organization()).tls(name)
    const { certificate: cert, key, roots } = tls
    const session = connectHttp2(`https://${fixture.server.address!}`, {
      cert,
      key,
      ca: [...roots],
    })
    sessions.push(session.on('error', () => undefined))
    await once(session, 'remoteSettings')
    const stream = session.request({
      ...{ ':method': 'POST', ':path': '/t.T/One', 'content-type': 'application/grpc' },
    })
    return stream.on('error', () => undefined).resume()
  }

  it('let a client begin messages of maxUnfinishedBytesPerClient, over all its calls', async () => {
    await start({ maxUnfinishedBytesPerClient: mebibyte })
    const first = await begun(0.7 * mebibyte)
    const second = await begun(0.2 * mebibyte)
    const other = await begun(0.7 * mebibyte, 'another')
    const third = await begun(0.2 * mebibyte)
    expect(await resetOf(third)).to.equal(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    for (const stream of [first, second, other]) {
      expect(stream.closed).to.equal(false)
      stream.end(Buffer.alloc(1))
      expect(await resetOf(stream)).to.equal(constants.NGHTTP2_NO_ERROR)
    }
  })

  it('let the client that has begun most give way when clients began maxUnfinishedBytes', async () => {
    await start({ maxUnfinishedBytes: mebibyte })
    const greedy = await begun(0.6 * mebibyte)
    const other = await begun(0.3 * mebibyte, 'another')
    const last = await begun(0.2 * mebibyte, 'a third')
    expect(await resetOf(greedy)).to.equal(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    for (const stream of [other, last]) {
      stream.end(Buffer.alloc(1))
      expect(await resetOf(stream)).to.equal(constants.NGHTTP2_NO_ERROR)
    }
  })

  it('end a call whose client reads nothing for unreadTimeoutMs, and a second for each 64 KiB', async () => {
    await start({ unreadTimeoutMs: 10_000 })
    const from = await client()
    const forgotten = await unread()
    await clock.advance(10_000 + 15_000)
    expect(await one(from, 1)).to.have.length(1)
    expect(service.cancelled).to.equal(0)
    await clock.advance(2_000)
    await until(() => service.cancelled > 0)
    expect(await resetOf(forgotten)).to.equal(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  })

  it('give the clients of an organisation maxConnectionsPerOrganization connections', async () => {
    await start({ maxConnectionsPerOrganization: 2 })
    const [first, second] = [await client(), await client('another')]
    for (const each of [first, second]) expect(await one(each, 1)).to.have.length(1)
    const failure = await one(await client('a third'), 1).catch((error: unknown) => error)
    expect(failure).to.have.property('code', status.UNAVAILABLE)
    for (const each of [await client('foreign'), first])
      expect(await one(each, 1)).to.have.length(1)
  })

  it('give a certificate maxConnectionsPerCertificate connections', async () => {
    await start({ maxConnectionsPerCertificate: 1 })
    const first = await client()
    expect(await one(first, 1)).to.have.length(1)
    const { certificate, key, roots } = fixture.clientTls
    const [host = '', port = ''] = fixture.server.address!.split(':')
    const tls = { cert: certificate, key, ca: [...roots], ALPNProtocols: ['h2'] }
    const second: TLSSocket = connect({ host, port: Number(port), servername: host, ...tls })
    second.on('error', () => undefined)
    await once(second, 'close')
    expect(await one(await client('another'), 1)).to.have.length(1)
    expect(await one(first, 1)).to.have.length(1)
  })
})
