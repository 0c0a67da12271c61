import { connect as connectHttp2, constants } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { status } from '@grpc/grpc-js'
import type { Client } from '@grpc/grpc-js'
import { VirtualClock } from '@heddle/events/testing'
import type { TlsMaterial } from '@heddle/msp/testing'
import { expect } from 'chai'
import { clientCosts, maxHeaderBytes, penaltySeconds, sweepMs } from '../../src/client-costs.ts'
import {
  answerPath,
  call,
  clientOf,
  clientWith,
  closePorts,
  eventually,
  openPort,
  organizations,
  streamPath,
} from '../support/ports.ts'
import type { OpenPort, OpenPortOptions } from '../support/ports.ts'

const asIs = (bytes: Buffer): Buffer => bytes

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
    socket.resume()
  })

describe('a port among strangers', function () {
  this.timeout(30_000)
  let port: OpenPort
  const clock = (): VirtualClock => new VirtualClock()

  const start = async (options: OpenPortOptions = {}): Promise<void> => {
    port = await openPort(options)
  }

  const secure = async (ALPNProtocols?: string[], certified = true): Promise<TLSSocket> => {
    const { ours } = await organizations()
    const { certificate: cert, key } = await ours.tls('stranger')
    const socket = connectTls({
      port: port.number,
      host: 'localhost',
      ca: ours.tlsCa.certificate,
      ...(certified && { cert, key }),
      ...(ALPNProtocols && { ALPNProtocols }),
    })
    socket.on('error', () => undefined)
    await new Promise<void>((resolve) => socket.once('secureConnect', resolve))
    return socket
  }

  /** An honest client still gets through. */
  const works = async (): Promise<void> => {
    const client = await clientOf(port, 'honest')
    expect(await call(client)).to.equal(status.OK)
    client.close()
  }

  afterEach(closePorts)

  const withoutTls: readonly (readonly [string, string, string | RegExp])[] = [
    ['HTTP/1', 'GET / HTTP/1.1\r\n\r\n', 'HTTP/1 without TLS: this port wants TLS and HTTP/2'],
    [
      'gRPC without TLS',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
      'HTTP/2 without TLS: this port wants TLS',
    ],
    ['zeros', '\0\0\0\0\0\0\0\0', 'what came is not TLS'],
    [
      'a long record of nonsense',
      `\x16\x03\x01\x3f\xff${'\xff'.repeat(20_000)}`,
      /^the TLS handshake failed: /,
    ],
    [
      'the beginning of a record, and no more',
      '\x16\x03\x01\xff\xff',
      /^(it left in the middle of the TLS handshake; does it trust our certificate\?( Or is its clock behind\?.*)?|the TLS handshake failed: .*)$/,
    ],
  ]
  for (const [what, bytes, reason] of withoutTls) {
    it(`refuses ${what} instead of TLS, with its address and the reason in one line`, async () => {
      await start()
      const socket = connect(port.number, '127.0.0.1')
      const end = closed(socket)
      await new Promise((resolve) => socket.once('connect', resolve))
      const address = `127.0.0.1:${socket.localPort}`
      socket.end(Buffer.from(bytes, 'latin1'))
      await end
      const line = await port.logger.line('connection refused')
      expect(line.fields).to.include({ port: 'test', address })
      await works()
      expect(port.refusals(reason)).to.have.length(1)
      expect(port.refusals(/./)).to.have.length(1)
      expect(port.metrics.get('listener_refusals_total test')).to.equal(1)
    })
  }

  it('says nothing about who connects and leaves without a word', async () => {
    await start()
    const socket = connect(port.number, 'localhost')
    await new Promise((resolve) => socket.once('connect', resolve))
    const end = closed(socket)
    socket.end()
    await end
    const secured = await secure(['h2'])
    const over = closed(secured)
    secured.end()
    await over
    await works()
    expect(port.refusals(/./)).to.deep.equal([])
  })

  it('refuses TLS without HTTP/2', async () => {
    await start()
    const socket = await secure()
    await closed(socket)
    await port.logger.line('connection refused', { reason: 'the client does not speak HTTP/2' })
    await works()
  })

  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
  const settings = '\0\0\0\x04\0\0\0\0\0'
  const insideTls: readonly (readonly [string, readonly string[], string])[] = [
    ['HTTP/1', ['GET / HTTP/1.1\r\n\r\n'], 'HTTP/1 inside TLS: this port wants HTTP/2'],
    ['one wrong byte', ['\xff'], 'what came inside TLS is not HTTP/2'],
    ['64 KiB of zeros', ['\0'.repeat(65_536)], 'what came inside TLS is not HTTP/2'],
    [
      'a preface that goes wrong in its second half',
      [preface.slice(0, 12), `${preface.slice(12, 23)}x`],
      'what came inside TLS is not HTTP/2',
    ],
    [
      'a preface with nonsense after it',
      [`${preface}${'\xff'.repeat(100)}`],
      'the HTTP/2 inside TLS does not begin with its settings',
    ],
    [
      'half a preface, and no more',
      [preface.slice(0, 12), ''],
      'the connection ended in the middle of its first bytes',
    ],
  ]
  for (const [what, parts, reason] of insideTls) {
    for (const certificate of ['with', 'without']) {
      it(`refuses ${what} instead of HTTP/2 inside TLS ${certificate} a certificate`, async () => {
        await start()
        const socket = await secure(['h2'], certificate === 'with')
        const end = closed(socket)
        for (const part of parts) {
          if (part === '') socket.end()
          else await new Promise((sent) => socket.write(Buffer.from(part, 'latin1'), sent))
        }
        await end
        await port.logger.line('connection refused', { port: 'test', reason })
        await works()
        expect(port.refusals(/./)).to.have.length(1)
      })
    }
  }

  it('takes a preface that comes byte by byte', async () => {
    await start()
    const socket = await secure(['h2'])
    const answered = new Promise((resolve) => socket.once('data', resolve))
    for (const byte of `${preface}${settings}`) {
      await new Promise((sent) => socket.write(Buffer.from(byte, 'latin1'), sent))
    }
    await answered
    socket.destroy()
    expect(port.refusals(/./)).to.deep.equal([])
  })

  it('refuses once, and in the end always, what stops being HTTP/2 later', async () => {
    const time = clock()
    await start({ clock: time, settled: 'never', setupTimeoutMs: 5000 })
    const socket = await secure(['h2'])
    const answered = new Promise((resolve) => socket.once('data', resolve))
    socket.write(Buffer.from(`${preface}${settings}`, 'latin1'))
    await answered
    const end = closed(socket)
    socket.write(Buffer.alloc(100, 0xff))
    // Node 20 does not say that its HTTP/2 has given up, nor does it close the connection.
    await Promise.race([end, new Promise((resolve) => socket.once('data', resolve))])
    await time.advance(5000)
    await end
    const line = await port.logger.line('connection refused')
    expect(line.fields['reason']).to.match(
      /is not HTTP\/2 any more|no authentication within 5000 ms/,
    )
    await works()
    expect(port.refusals(/./)).to.have.length(1)
  })

  it('logs maxRefusalLinesPerMinute refusals in a minute, and counts the others', async () => {
    const time = clock()
    await start({ clock: time, maxRefusalLinesPerMinute: 2 })
    const refuse = async (): Promise<void> => {
      const socket = connect(port.number, 'localhost')
      const end = closed(socket)
      socket.write('?')
      await end
    }
    for (let i = 0; i < 5; i += 1) await refuse()
    expect(port.refusals('what came is not TLS')).to.have.length(2)
    await port.logger.line('further refusals are counted only', { port: 'test', forMs: 60_000 })
    expect(port.metrics.get('listener_refusals_total test')).to.equal(5)
    expect(port.metrics.get('listener_refusals_not_logged_total test')).to.equal(3)
    await time.advance(60_000)
    await refuse()
    expect(port.refusals('what came is not TLS')).to.have.length(3)
    await works()
  })

  it('answers unknown methods, other content types and torn frames, and lives on', async () => {
    await start()
    const { ours } = await organizations()
    const { certificate: cert, key } = await ours.tls('stranger')
    const session = connectHttp2(`https://localhost:${port.number}`, {
      ca: ours.tlsCa.certificate,
      cert,
      key,
    })
    session.on('error', () => undefined)
    const request = (path: string, type: string, body: Buffer): Promise<Record<string, unknown>> =>
      new Promise((resolve) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': path,
          'content-type': type,
          te: 'trailers',
        })
        const seen: Record<string, unknown> = {}
        stream.on('response', (headers) => void Object.assign(seen, headers))
        stream.on('trailers', (headers: object) => void Object.assign(seen, headers))
        stream.on('error', () => undefined)
        stream.on('close', () => resolve(seen))
        stream.resume()
        stream.end(body)
      })
    const grpc = 'application/grpc'
    const unknown = await request('/test.Test/Nothing', grpc, Buffer.alloc(0))
    expect(unknown['grpc-status']).to.equal(String(status.UNIMPLEMENTED))
    expect((await request(answerPath, 'text/html', Buffer.alloc(0)))[':status']).to.equal(415)
    await request(streamPath, grpc, Buffer.from('00000000ff01', 'hex'))
    session.close()
    await works()
  })

  /** A connection of HTTP/2; closed already when it was refused. */
  const http2 = async ({ certificate: cert, key }: TlsMaterial): Promise<ClientHttp2Session> => {
    const { ours } = await organizations()
    const session = connectHttp2(`https://localhost:${port.number}`, {
      ca: ours.tlsCa.certificate,
      cert,
      key,
    })
    session.on('error', () => undefined)
    await new Promise<void>((resolve) => {
      session.once('remoteSettings', () => resolve()).once('close', () => resolve())
    })
    return session
  }

  /** The gRPC status of a call, or with which code HTTP/2 has ended it. */
  const answer = (
    session: ClientHttp2Session,
    path: string,
    headers = {},
    body = Buffer.alloc(5),
  ): Promise<string | number | undefined> =>
    new Promise((resolve) => {
      const all = { ...pseudo, ':path': path, 'content-type': 'application/grpc', ...headers }
      const stream = session.request(all)
      let status: string | undefined
      const see = (seen: IncomingHttpHeaders): void => {
        status ??= seen['grpc-status'] as string | undefined
      }
      stream
        .on('response', see)
        .on('trailers', see)
        .on('error', () => undefined)
        .resume()
      stream.on('close', () => resolve(status ?? stream.rstCode))
      stream.end(body)
    })

  const pseudo = { ':method': 'POST', ':scheme': 'https', ':authority': 'localhost' }

  /** Headers with which a call of `Answer` has so many bytes of them. */
  const headersOf = (bytes: number): Record<string, string> => {
    const rest = { ...pseudo, ':path': answerPath, 'content-type': 'application/grpc', x: '' }
    const length = Object.entries(rest).reduce(
      (sum, [name, value]) => sum + name.length + value.length + 32,
      0,
    )
    return { x: 'x'.repeat(bytes - length) }
  }

  it('takes headers of maxHeaderBytes for a call, and none larger', async () => {
    await start({ clock: clock() })
    const { ours } = await organizations()
    const session = await http2(await ours.tls('stranger'))
    expect(await answer(session, answerPath, headersOf(maxHeaderBytes))).to.equal('0')
    expect(await answer(session, answerPath, headersOf(maxHeaderBytes + 1))).to.equal(
      constants.NGHTTP2_ENHANCE_YOUR_CALM,
    )
    expect(await answer(session, answerPath), 'the connection goes on').to.equal('0')
    session.destroy()
  })

  for (const [more, expected] of [
    [0, '0'],
    [1, 'closed'],
  ] as const)
    it(`closes a connection over which ${more} bytes more come before our settings are known: ${expected}`, async () => {
      await start({ clock: clock() })
      const { ours } = await organizations()
      const { certificate: cert, key } = await ours.tls('stranger')
      const tls = { ca: ours.tlsCa.certificate, cert, key }
      const session = connectHttp2(`https://localhost:${port.number}`, tls)
      const end = new Promise((resolve) => session.once('close', () => resolve('closed')))
      session.on('error', () => undefined)
      const answered = answer(session, answerPath, headersOf(maxHeaderBytes + more))
      expect(await (more === 0 ? answered : end)).to.equal(expected)
      session.destroy()
    })

  const failures: readonly (readonly [string, string, object])[] = [
    ['are unknown', '/test.Test/Nothing', {}],
    ['have too large headers', answerPath, headersOf(maxHeaderBytes + 1)],
  ]
  for (const [what, path, headers] of failures)
    it(`closes the connections of a client too many of whose calls ${what}, and takes none for a while`, async () => {
      const time = clock()
      await start({ clock: time })
      const { ours } = await organizations()
      const stranger = await ours.tls('stranger')
      const [session, second] = [await http2(stranger), await http2(stranger)]
      for (let failed = 0; failed < clientCosts.failures.burst; failed += 20)
        await Promise.all(Array.from({ length: 10 }, () => answer(session, path, headers))).then(
          () => Promise.all(Array.from({ length: 10 }, () => answer(second, path, headers))),
        )
      await time.advance(sweepMs)
      expect([session.closed, second.closed], 'at the bound').to.deep.equal([false, false])
      const ends = [session, second].map((each) => new Promise((end) => each.once('close', end)))
      const came = (clientCosts.failures.perSecond * sweepMs) / 1000
      for (let failed = 0; failed <= came && !session.closed; failed++)
        await answer(session, path, headers)
      await time.advance(sweepMs)
      await Promise.all(ends)
      expect((await http2(stranger)).closed, 'it comes again').to.equal(true)
      const other = await http2(await ours.tls('another'))
      expect(await answer(other, answerPath), 'another client').to.equal('0')
      expect(port.refusals(/^too many calls of this client failed/).length).to.be.at.least(3)
      await time.advance(1000 * penaltySeconds + 2 * sweepMs)
      const again = await http2(stranger)
      expect(await answer(again, answerPath), 'after a while').to.equal('0')
      for (const each of [other, again]) each.destroy()
    })

  const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
    const header = Buffer.alloc(9)
    header.writeUIntBE(payload.length, 0, 3)
    header.writeUInt8(type, 3)
    header.writeUInt8(flags, 4)
    header.writeUInt32BE(stream, 5)
    return Buffer.concat([header, payload])
  }
  const times = (count: number, bytes: Buffer): Buffer => Buffer.alloc(count * bytes.length, bytes)

  /** A connection that has begun HTTP/2, without anything that keeps to its rules afterwards. */
  const bare = async (): Promise<TLSSocket> => {
    const socket = await secure(['h2'])
    const answered = new Promise((resolve) => socket.once('data', resolve))
    socket.write(Buffer.concat([Buffer.from(preface), frame(4, 0, 0, Buffer.alloc(0))]))
    await answered
    return socket
  }

  it('closes the connection of a client that floods it with PING frames, not before', async () => {
    const time = clock()
    await start({ clock: time })
    const socket = await bare()
    const end = closed(socket)
    let answered = 0
    socket.on('data', (answers: Buffer) => (answered += answers.length))
    const ping = frame(6, 0, 0, Buffer.alloc(8))
    const most = Math.floor(clientCosts.control.burst / ping.length)
    // Some of the bytes are of TLS.
    const few = Math.floor(0.9 * most)
    socket.write(times(few, ping))
    await eventually(() => answered >= few * ping.length)
    await time.advance(sweepMs)
    expect(socket.closed, 'below the bound').to.equal(false)
    answered = 0
    socket.write(times(most, ping))
    await eventually(() => answered >= most * ping.length)
    await time.advance(sweepMs)
    await end
    expect(port.refusals(/^too many bytes of this client that are not messages/)).to.have.length(1)
    await works()
  })

  it('closes the connection of a client whose messages come byte by byte, not before', async () => {
    const time = clock()
    await start({ clock: time })
    const socket = await bare()
    const end = closed(socket)
    const text = (name: string): Buffer =>
      Buffer.concat([Buffer.from([name.length]), Buffer.from(name)])
    const headers = { ...pseudo, ':path': streamPath, 'content-type': 'application/grpc' }
    // Each as a literal with its name, without an index: RFC 7541 §6.2.2.
    const block = Object.entries(headers).flatMap((pair) => [Buffer.from([0]), ...pair.map(text)])
    socket.write(frame(1, 4, 1, Buffer.concat(block)))
    await eventually(() => port.streams.length > 0)
    let messages = 0
    port.streams[0]?.on('data', () => (messages += 1))
    const come = async (parts: number): Promise<void> => {
      const before = messages
      // A message of no bytes is five zeros. No more than its window at once.
      for (let sent = 0; sent < parts; sent += 10_000) {
        socket.write(times(10_000, frame(0, 0, 1, Buffer.alloc(1))))
        await eventually(() => messages >= before + (sent + 10_000) / 5)
      }
      await time.advance(sweepMs)
    }
    await come(clientCosts.parts.burst)
    expect(socket.closed, 'at the bound').to.equal(false)
    await come(clientCosts.parts.perSecond + 10_000)
    await end
    expect(port.refusals(/^messages of this client come in too many small parts/)).to.have.length(1)
    await works()
  })

  it('refuses compressed messages, without expanding them', async () => {
    await start()
    const zipped = gzipSync(Buffer.alloc(1024 * 1024))
    const head = Buffer.from([1, 0, 0, 0, 0])
    head.writeUInt32BE(zipped.length, 1)
    const body = Buffer.concat([head, zipped])
    const { ours } = await organizations()
    const session = await http2(await ours.tls('stranger'))
    const ended = await answer(session, answerPath, { 'grpc-encoding': 'gzip' }, body)
    expect(ended).to.equal(String(status.UNIMPLEMENTED))
    session.destroy()
    await port.logger.line('call refused', { port: 'test', code: 'UNIMPLEMENTED' })
    await works()
  })

  it('lets the oldest give way when maxPendingConnections have not authenticated', async () => {
    await start({ maxPendingConnections: 3, setupTimeoutMs: 60_000 })
    const sockets: Socket[] = []
    for (let i = 0; i < 4; i += 1) {
      const socket = connect(port.number, 'localhost')
      sockets.push(socket)
      await new Promise((resolve) => socket.once('connect', resolve))
    }
    await closed(sockets[0]!)
    const line = await port.logger.line('connection refused')
    expect(line.fields['reason']).to.equal('no TLS yet, and 3 newer connections wait')
    await works()
    for (const socket of sockets) socket.destroy()
  })

  it('refuses a message of more than the server takes, with method and reason', async () => {
    await start({ maxMessageBytes: 10_000 })
    const client = await clientOf(port, 'stranger')
    const stream = client.makeBidiStreamRequest(streamPath, asIs, asIs)
    const ended = new Promise<number>((resolve) => stream.on('status', ({ code }) => resolve(code)))
    stream.on('error', () => undefined).write(Buffer.alloc(10_001))
    expect(await ended).to.equal(status.RESOURCE_EXHAUSTED)
    const line = await port.logger.line('call refused', {
      port: 'test',
      method: streamPath,
      code: 'RESOURCE_EXHAUSTED',
    })
    expect(line.fields['address']).to.match(/:\d+$/)
    expect(line.fields['reason']).to.match(/larger than max \(10001 vs\.? 10000\)/)
    await works()
    expect(port.refusals(/./)).to.have.length(1)
    client.close()
  })

  it('takes so many connections of one certificate, refuses the next, and takes others', async () => {
    await start({ maxConnectionsPerCertificate: 3 })
    const { ours } = await organizations()
    const stranger = await ours.tls('stranger')
    const connected = async (): Promise<Client> => {
      const client = await clientWith(port.number, stranger)
      client.makeBidiStreamRequest(streamPath, asIs, asIs).on('error', () => undefined)
      return client
    }
    const taken = await Promise.all([connected(), connected(), connected()])
    await eventually(() => port.streams.length === 3)
    expect(port.refusals(/certificate already has/)).to.deep.equal([])
    const next = await connected()
    const reason = 'its certificate already has 3 connections'
    await port.logger.line('connection refused', { reason })
    await works()
    for (const client of [...taken, next]) client.close()
  })

  it('takes so many connections of one organisation, whatever certificates they have', async () => {
    await start({ maxConnectionsPerOrganization: 3 })
    const { ours } = await organizations()
    const connected = async (name: string): Promise<Client> => {
      const client = await clientWith(port.number, await ours.tls(name))
      client.makeBidiStreamRequest(streamPath, asIs, asIs).on('error', () => undefined)
      return client
    }
    const taken = await Promise.all(['one', 'two', 'three'].map(connected))
    await eventually(() => port.streams.length === 3)
    expect(port.refusals(/organisation already has/)).to.deep.equal([])
    const next = await connected('four')
    const reason = 'its organisation already has 3 connections'
    await port.logger.line('connection refused', { reason })
    for (const client of [...taken, next]) client.close()
  })
})
