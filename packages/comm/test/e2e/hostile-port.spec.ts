import { connect as connectHttp2, constants } from 'node:http2'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { Client, credentials, status } from '@grpc/grpc-js'
import { VirtualClock } from '@heddle/events/testing'
import type { LogLine } from '@heddle/interface/testing'
import { expect } from 'chai'
import { maxFirstBytes } from '../../src/transport/gossip-server.ts'
import {
  createNode,
  dataMessage,
  eventually,
  Inbox,
  organizations,
  stopNodes,
} from '../support/nodes.ts'
import type { Node } from '../support/nodes.ts'
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

  const secure = async (): Promise<TLSSocket> => {
    const { a } = await organizations()
    const { certificate: cert, key } = await a.tls('stranger')
    const tls = { ca: a.tlsCa.certificate, cert, key, ALPNProtocols: ['h2'] }
    const socket = connectTls({ port, host: 'localhost', ...tls })
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

  it('says whom it refused and why, as the port of gossip', async () => {
    await start({ maxRefusalLinesPerMinute: 1 })
    const socket = connect(port, '127.0.0.1')
    const end = closed(socket)
    socket.write('?')
    await end
    const line = await node.logger.line('connection refused', { port: 'gossip' })
    expect(line.fields['reason']).to.equal('what came is not TLS')
    expect(node.metrics.get('listener_refusals_total gossip')).to.equal(1)
    await works()
  })

  /** A call over a connection of its own, with or without a certificate, and how it ends. */
  const calling = async (path: string, body: Buffer, certified: boolean): Promise<number> => {
    const { a } = await organizations()
    const { certificate: cert, key } = await a.tls('stranger')
    const session = connectHttp2(`https://localhost:${port}`, {
      ca: a.tlsCa.certificate,
      ...(certified && { cert, key }),
    })
    session.on('error', () => undefined)
    const stream = session.request({
      ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
    })
    stream.on('error', () => undefined).resume()
    const over = new Promise((resolve) => stream.once('close', resolve))
    stream.write(body)
    await over
    session.destroy()
    return stream.rstCode
  }

  for (const path of ['/gossip.Gossip/Ping', '/gossip.Gossip/GossipStream'])
    it(`refuses a first message of more than an introduction has, before it is whole: ${path}`, async () => {
      await start({ connTimeoutMs: 60_000 })
      const announced = Buffer.alloc(5 + maxFirstBytes)
      announced.writeUInt32BE(1024 * 1024, 1)
      const certified = path.endsWith('Stream')
      expect(await calling(path, announced, certified)).to.equal(
        constants.NGHTTP2_ENHANCE_YOUR_CALM,
      )
      const line = await node.logger.line('call refused', { port: 'gossip', method: path })
      expect(line.fields['reason']).to.match(/messages of this sender hold more than 131072 bytes$/)
      await works()
    })

  for (const [bound, reason] of [
    ['maxConnectionsPerCertificate', 'its certificate already has 1 connections'],
    ['maxPendingConnections', 'no authentication yet, and 1 newer connections wait'],
  ] as const)
    it(`bounds the connections of strangers as the options say: ${bound}`, async () => {
      await start({ [bound]: 1 })
      const { a } = await organizations()
      const stranger = await a.tls('stranger')
      const first = await RawPeer.connect(node.peer.endpoint, stranger)
      await first.frame(0)
      const second = await RawPeer.connect(node.peer.endpoint, stranger)
      await node.logger.line('connection refused', { reason })
      for (const peer of [first, second]) peer.close()
    })

  it('takes a later message that is longer than an introduction', async () => {
    await start()
    const peer = await createNode()
    const inbox = new Inbox(node.comm)
    await peer.comm.push(dataMessage(1, 2 * maxFirstBytes), node.peer)
    await inbox.take(1)
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
    const tls = await secure()
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
})
