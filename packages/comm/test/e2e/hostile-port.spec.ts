import { connect as connectHttp2, constants } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { Client, credentials, status } from '@grpc/grpc-js'
import { VirtualClock } from '@heddle/events/testing'
import type { TlsMaterial } from '@heddle/msp/testing'
import { expect } from 'chai'
import { failedCalls, failurePenalty, maxHeaderBytes, sweepMs } from '../../src/failed-calls.ts'
import { maxFirstBytes } from '../../src/listener.ts'
import {
  createNode,
  dataMessage,
  eventually,
  Inbox,
  organizations,
  stopNodes,
} from '../support/nodes.ts'
import type { Node } from '../support/nodes.ts'
import type { LogLine } from '../support/recording.ts'
import { connectionMessage, RawPeer } from '../support/raw-peer.ts'

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
    socket.resume()
  })

describe('the port of a node', function () {
  this.timeout(30_000)
  let node: Node
  let port: number
  const clock = (): VirtualClock => new VirtualClock()

  const secure = async (ALPNProtocols?: string[], certified = true): Promise<TLSSocket> => {
    const { a } = await organizations()
    const { certificate: cert, key } = await a.tls('stranger')
    const socket = connectTls({
      port,
      host: 'localhost',
      ca: a.tlsCa.certificate,
      ...(certified && { cert, key }),
      ...(ALPNProtocols && { ALPNProtocols }),
    })
    socket.on('error', () => undefined)
    await new Promise<void>((resolve) => socket.once('secureConnect', resolve))
    return socket
  }

  /** An honest peer still gets through. */
  const works = async (): Promise<void> => {
    const peer = await createNode()
    const inbox = new Inbox(node.comm)
    await peer.comm.push(dataMessage(1), node.peer)
    await inbox.take(1)
  }

  const start = async (options = {}): Promise<void> => {
    node = await createNode(options)
    port = Number(node.peer.endpoint.split(':')[1])
  }

  afterEach(stopNodes)

  /** The lines about refusals that say this. */
  const refusals = (reason: string | RegExp): LogLine[] =>
    node.logger.lines.filter(
      ({ level, fields }) =>
        level === 'warn' &&
        (typeof reason === 'string'
          ? fields['reason'] === reason
          : reason.test(String(fields['reason']))),
    )

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
      const socket = connect(port, '127.0.0.1')
      const end = closed(socket)
      await new Promise((resolve) => socket.once('connect', resolve))
      const address = `127.0.0.1:${socket.localPort}`
      socket.end(Buffer.from(bytes, 'latin1'))
      await end
      const line = await node.logger.line('connection refused')
      expect(line.fields).to.include({ port: 'gossip', address })
      await works()
      expect(refusals(reason)).to.have.length(1)
      expect(refusals(/./)).to.have.length(1)
      expect(node.metrics.get('listener_refusals_total gossip')).to.equal(1)
    })
  }

  it('says nothing about who connects and leaves without a word', async () => {
    await start()
    const socket = connect(port, 'localhost')
    await new Promise((resolve) => socket.once('connect', resolve))
    const end = closed(socket)
    socket.end()
    await end
    const secured = await secure(['h2'])
    const over = closed(secured)
    secured.end()
    await over
    await works()
    expect(refusals(/./)).to.deep.equal([])
  })

  it('refuses TLS without HTTP/2', async () => {
    await start()
    const socket = await secure()
    await closed(socket)
    await node.logger.line('connection refused', { reason: 'the client does not speak HTTP/2' })
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
        await node.logger.line('connection refused', { port: 'gossip', reason })
        await works()
        expect(refusals(/./)).to.have.length(1)
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
    expect(refusals(/./)).to.deep.equal([])
  })

  it('refuses once, and in the end always, what stops being HTTP/2 later', async () => {
    const time = clock()
    await start({ clock: time, connTimeoutMs: 60_000, setupTimeoutMs: 5000 })
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
    const line = await node.logger.line('connection refused')
    expect(line.fields['reason']).to.match(
      /is not HTTP\/2 any more|no authentication within 5000 ms/,
    )
    await works()
    expect(refusals(/./)).to.have.length(1)
  })

  it('logs maxRefusalLinesPerMinute refusals in a minute, and counts the others', async () => {
    const time = clock()
    await start({ clock: time, maxRefusalLinesPerMinute: 2 })
    const refuse = async (): Promise<void> => {
      const socket = connect(port, 'localhost')
      const end = closed(socket)
      socket.write('?')
      await end
    }
    for (let i = 0; i < 5; i += 1) await refuse()
    expect(refusals('what came is not TLS')).to.have.length(2)
    await node.logger.line('further refusals are counted only', { port: 'gossip', forMs: 60_000 })
    expect(node.metrics.get('listener_refusals_total gossip')).to.equal(5)
    expect(node.metrics.get('listener_refusals_not_logged_total gossip')).to.equal(3)
    await time.advance(60_000)
    await refuse()
    expect(refusals('what came is not TLS')).to.have.length(3)
    await works()
  })

  it('answers unknown methods, other content types and torn frames, and lives on', async () => {
    await start()
    const { a } = await organizations()
    const { certificate: cert, key } = await a.tls('stranger')
    const session = connectHttp2(`https://localhost:${port}`, {
      ca: a.tlsCa.certificate,
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
    const unknown = await request('/gossip.Gossip/Nothing', grpc, Buffer.alloc(0))
    expect(unknown['grpc-status']).to.equal(String(status.UNIMPLEMENTED))
    expect(
      (await request('/gossip.Gossip/Ping', 'text/html', Buffer.alloc(0)))[':status'],
    ).to.equal(415)
    await request('/gossip.Gossip/GossipStream', grpc, Buffer.from('00000000ff01', 'hex'))
    const compressed = await request(
      '/gossip.Gossip/GossipStream',
      grpc,
      Buffer.from('010000000101', 'hex'),
    )
    expect(compressed['grpc-status']).to.not.equal('0')
    session.close()
    await works()
  })

  /** A call over a connection of its own, with or without a certificate, and how it ends. */
  const calling = async (
    path: string,
    body: Buffer,
    { certified = true, ...headers }: { certified?: boolean } & Record<string, unknown> = {},
  ): Promise<{ code: number | undefined; status: unknown }> => {
    const { a } = await organizations()
    const { certificate: cert, key } = await a.tls('stranger')
    const session = connectHttp2(`https://localhost:${port}`, {
      ca: a.tlsCa.certificate,
      ...(certified && { cert, key }),
    })
    session.on('error', () => undefined)
    const stream = session.request({
      ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      ...headers,
    })
    let status: unknown
    stream.on('response', (answer) => (status = answer['grpc-status']))
    stream.on('error', () => undefined).resume()
    const over = new Promise<void>((resolve) => {
      stream.once('close', resolve).once('end', resolve)
    })
    stream.write(body)
    await over
    session.destroy()
    return { code: stream.rstCode, status }
  }

  /** A connection of HTTP/2; closed already when it was refused. */
  const http2 = async ({ certificate: cert, key }: TlsMaterial): Promise<ClientHttp2Session> => {
    const { a } = await organizations()
    const session = connectHttp2(`https://localhost:${port}`, {
      ca: a.tlsCa.certificate,
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
      stream.end(Buffer.alloc(5))
    })

  const pseudo = { ':method': 'POST', ':scheme': 'https', ':authority': 'localhost' }
  const ping = '/gossip.Gossip/Ping'

  /** Headers with which a call of `ping` has so many bytes of them. */
  const headersOf = (bytes: number): Record<string, string> => {
    const rest = { ...pseudo, ':path': ping, 'content-type': 'application/grpc', x: '' }
    const length = Object.entries(rest).reduce(
      (sum, [name, value]) => sum + name.length + value.length + 32,
      0,
    )
    return { x: 'x'.repeat(bytes - length) }
  }

  it('takes headers of maxHeaderBytes for a call, and none larger', async () => {
    await start({ clock: clock() })
    const { a } = await organizations()
    const session = await http2(await a.tls('stranger'))
    expect(await answer(session, ping, headersOf(maxHeaderBytes))).to.equal('0')
    expect(await answer(session, ping, headersOf(maxHeaderBytes + 1))).to.equal(
      constants.NGHTTP2_ENHANCE_YOUR_CALM,
    )
    expect(await answer(session, ping), 'the connection goes on').to.equal('0')
    session.destroy()
  })

  for (const [more, expected] of [
    [0, '0'],
    [1, 'closed'],
  ] as const)
    it(`closes a connection over which ${more} bytes more come before our settings are known: ${expected}`, async () => {
      await start({ clock: clock() })
      const { a } = await organizations()
      const { certificate: cert, key } = await a.tls('stranger')
      const tls = { ca: a.tlsCa.certificate, cert, key }
      const session = connectHttp2(`https://localhost:${port}`, tls)
      const end = new Promise((resolve) => session.once('close', () => resolve('closed')))
      session.on('error', () => undefined)
      const answered = answer(session, ping, headersOf(maxHeaderBytes + more))
      expect(await (more === 0 ? answered : end)).to.equal(expected)
      session.destroy()
    })

  const failures: readonly (readonly [string, string, object])[] = [
    ['are unknown', '/gossip.Gossip/Nothing', {}],
    ['have too large headers', ping, headersOf(maxHeaderBytes + 1)],
  ]
  for (const [what, path, headers] of failures)
    it(`closes the connections of a client too many of whose calls ${what}, and takes none for a while`, async () => {
      const time = clock()
      await start({ clock: time })
      const { a } = await organizations()
      const stranger = await a.tls('stranger')
      const [session, second] = [await http2(stranger), await http2(stranger)]
      for (let failed = 0; failed < failedCalls.burst; failed += 20)
        await Promise.all(Array.from({ length: 10 }, () => answer(session, path, headers))).then(
          () => Promise.all(Array.from({ length: 10 }, () => answer(second, path, headers))),
        )
      await time.advance(sweepMs)
      expect([session.closed, second.closed], 'at the bound').to.deep.equal([false, false])
      const ends = [session, second].map((each) => new Promise((end) => each.once('close', end)))
      const came = (failedCalls.perSecond * sweepMs) / 1000
      for (let failed = 0; failed <= came && !session.closed; failed++)
        await answer(session, path, headers)
      await time.advance(sweepMs)
      await Promise.all(ends)
      expect((await http2(stranger)).closed, 'it comes again').to.equal(true)
      const other = await http2(await a.tls('another'))
      expect(await answer(other, ping), 'another client').to.equal('0')
      expect(refusals(/^too many calls of this client failed/).length).to.be.at.least(3)
      await time.advance((1000 * failurePenalty) / failedCalls.perSecond + 2 * sweepMs)
      const again = await http2(stranger)
      expect(await answer(again, ping), 'after a while').to.equal('0')
      for (const each of [other, again]) each.destroy()
    })

  for (const path of ['/gossip.Gossip/Ping', '/gossip.Gossip/GossipStream'])
    it(`refuses a first message of more than an introduction has, before it is whole: ${path}`, async () => {
      await start({ connTimeoutMs: 60_000 })
      const announced = Buffer.alloc(5 + maxFirstBytes)
      announced.writeUInt32BE(1024 * 1024, 1)
      const certified = path.endsWith('Stream')
      const { code } = await calling(path, announced, { certified })
      expect(code).to.equal(constants.NGHTTP2_ENHANCE_YOUR_CALM)
      const line = await node.logger.line('call refused', { port: 'gossip', method: path })
      expect(line.fields['reason']).to.match(/that are not whole hold more than 131072 bytes$/)
      await works()
    })

  it('takes a later message that is longer than an introduction', async () => {
    await start()
    const peer = await createNode()
    const inbox = new Inbox(node.comm)
    await peer.comm.push(dataMessage(1, 2 * maxFirstBytes), node.peer)
    await inbox.take(1)
  })

  it('refuses compressed messages, without expanding them', async () => {
    await start()
    const zipped = gzipSync(Buffer.alloc(1024 * 1024))
    const head = Buffer.from([1, 0, 0, 0, 0])
    head.writeUInt32BE(zipped.length, 1)
    const body = Buffer.concat([head, zipped])
    const ended = await calling('/gossip.Gossip/Ping', body, { 'grpc-encoding': 'gzip' })
    expect(ended.status).to.equal(String(status.UNIMPLEMENTED))
    await node.logger.line('call refused', { port: 'gossip', code: 'UNIMPLEMENTED' })
    await works()
  })

  it('refuses a frame that announces more than maxMessageBytes, authenticated or not', async () => {
    await start({ maxMessageBytes: 10_000 })
    const { a } = await organizations()
    const member = { signer: await a.identity('mallory', 'peer'), tls: await a.tls('mallory') }
    const peer = await RawPeer.connect(node.peer.endpoint, member.tls)
    peer.write(Buffer.alloc(10_001))
    expect((await peer.status).code).to.equal(status.RESOURCE_EXHAUSTED)
    peer.close()
    const line = await node.logger.line('call refused', {
      port: 'gossip',
      method: '/gossip.Gossip/GossipStream',
      code: 'RESOURCE_EXHAUSTED',
    })
    expect(line.fields['address']).to.match(/:\d+$/)
    expect(line.fields['reason']).to.match(/larger than max \(10001 vs\.? 10000\)/)
    expect(refusals(/./)).to.have.length(1)
    const authenticated = await RawPeer.connect(node.peer.endpoint, member.tls)
    authenticated.write(connectionMessage(member))
    await node.logger.line('peer connected')
    authenticated.write(Buffer.alloc(10_001))
    expect((await authenticated.status).code).to.equal(status.RESOURCE_EXHAUSTED)
    await eventually(() => node.comm.connections().length === 0)
    authenticated.close()
    await works()
    expect(refusals(/larger than max/)).to.have.length(2)
    expect(refusals(/./)).to.have.length(2)
  })

  it('cuts who has not authenticated when setupTimeoutMs have passed, at whatever step', async () => {
    const time = clock()
    await start({ clock: time, connTimeoutMs: 60_000, setupTimeoutMs: 5000 })
    const { a } = await organizations()
    const silent = connect(port, 'localhost')
    const tls = await secure(['h2'])
    const caller = await RawPeer.connect(node.peer.endpoint, await a.tls('stranger'))
    const pinger = new Client(
      `localhost:${port}`,
      credentials.createSsl(Buffer.from(a.tlsCa.certificate)),
    )
    await caller.frame(0)
    await new Promise<void>((resolve) =>
      pinger.makeUnaryRequest(
        '/gossip.Gossip/Ping',
        (b: Buffer) => b,
        (b: Buffer) => b,
        Buffer.alloc(0),
        () => resolve(),
      ),
    )
    const ends = [closed(silent), closed(tls), caller.status]
    const peer = await createNode()
    const inbox = new Inbox(node.comm)
    await peer.comm.push(dataMessage(1), node.peer)
    await inbox.take(1)
    await time.advance(5000)
    await Promise.all(ends)
    const said = refusals(/./).map(({ fields }) => fields['reason'])
    expect(said.sort()).to.deep.equal([
      'no HTTP/2 within 5000 ms',
      'no TLS within 5000 ms',
      'no authentication within 5000 ms',
      'no authentication within 5000 ms',
    ])
    // Who has authenticated stays.
    await peer.comm.push(dataMessage(2), node.peer)
    await inbox.take(2)
    caller.close()
    pinger.close()
  })

  it('lets the oldest give way when maxPendingConnections have not authenticated', async () => {
    await start({ maxPendingConnections: 3, setupTimeoutMs: 60_000 })
    const sockets: Socket[] = []
    for (let i = 0; i < 4; i += 1) {
      const socket = connect(port, 'localhost')
      sockets.push(socket)
      await new Promise((resolve) => socket.once('connect', resolve))
    }
    await closed(sockets[0]!)
    const line = await node.logger.line('connection refused')
    expect(line.fields['reason']).to.equal('no TLS yet, and 3 newer connections wait')
    await works()
    for (const socket of sockets) socket.destroy()
  })

  it('cuts a connection some time after its stream has ended', async () => {
    const time = clock()
    await start({ clock: time, setupTimeoutMs: 5000 })
    const { a } = await organizations()
    const member = { signer: await a.identity('member', 'peer'), tls: await a.tls('member') }
    const peer = await RawPeer.connect(node.peer.endpoint, member.tls)
    peer.write(connectionMessage(member))
    await node.logger.line('peer connected')
    node.comm.closeConn({ endpoint: '', pkiId: member.signer.pkiId })
    await peer.status
    await time.advance(5000)
    const reason = 'no authentication within 5000 ms'
    await node.logger.line('connection refused', { reason })
    peer.close()
  })

  it('survives a flood of streams that never introduce themselves', async () => {
    await start()
    const { a } = await organizations()
    const strangers = await Promise.all([a.tls('stranger'), a.tls('another stranger')])
    const flood = await Promise.all(
      strangers.flatMap((tls) =>
        Array.from({ length: 10 }, () => RawPeer.connect(node.peer.endpoint, tls)),
      ),
    )
    await Promise.all(flood.map((peer) => peer.frame(0)))
    await works()
    for (const peer of flood) peer.close()
  })

  it('takes sixteen connections of one certificate, refuses the next, and takes others', async () => {
    await start()
    const { a } = await organizations()
    const tls = await a.tls('stranger')
    const connect = (): Promise<RawPeer> => RawPeer.connect(node.peer.endpoint, tls)
    const taken = await Promise.all(Array.from({ length: 16 }, connect))
    await Promise.all(taken.map((peer) => peer.frame(0)))
    expect(refusals(/connections already/)).to.deep.equal([])
    const next = await connect()
    const reason = 'its certificate has 16 connections already'
    await node.logger.line('connection refused', { reason })
    await works()
    for (const peer of [...taken, next]) peer.close()
  })
})
