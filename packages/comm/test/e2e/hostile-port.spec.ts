import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { Client, credentials, status } from '@grpc/grpc-js'
import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
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

  const secure = async (ALPNProtocols?: string[]): Promise<TLSSocket> => {
    const { a } = await organizations()
    const { certificate: cert, key } = await a.tls('stranger')
    const socket = connectTls({
      port,
      host: 'localhost',
      ca: a.tlsCa.certificate,
      cert,
      key,
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

  it('refuses bytes that are no TLS, and logs why', async () => {
    await start()
    for (const garbage of ['GET / HTTP/1.1\r\n\r\n', '\0\0\0\0\0\0\0\0', '\x16\x03\x01\xff\xff']) {
      const socket = connect(port, 'localhost')
      const end = closed(socket)
      socket.end(garbage)
      await end
    }
    const line = await node.logger.line('connection refused')
    expect(line.fields['reason']).to.match(/^TLS failed: /)
    await works()
  })

  it('refuses TLS without HTTP/2', async () => {
    await start()
    const socket = await secure()
    await closed(socket)
    await node.logger.line('connection refused', { reason: 'the client does not speak HTTP/2' })
    await works()
  })

  it('survives garbage instead of HTTP/2 inside TLS', async () => {
    await start()
    for (const garbage of [
      'GET / HTTP/1.1\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff',
    ]) {
      const socket = await secure(['h2'])
      const end = closed(socket)
      socket.write(Buffer.from(garbage, 'latin1'))
      await end
    }
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

  it('refuses a frame that announces more than maxMessageBytes, authenticated or not', async () => {
    await start({ maxMessageBytes: 10_000 })
    const { a } = await organizations()
    const member = { signer: await a.identity('mallory', 'peer'), tls: await a.tls('mallory') }
    const peer = await RawPeer.connect(node.peer.endpoint, member.tls)
    peer.write(Buffer.alloc(10_001))
    expect((await peer.status).code).to.equal(status.RESOURCE_EXHAUSTED)
    peer.close()
    const authenticated = await RawPeer.connect(node.peer.endpoint, member.tls)
    authenticated.write(connectionMessage(member))
    await node.logger.line('peer connected')
    authenticated.write(Buffer.alloc(10_001))
    expect((await authenticated.status).code).to.equal(status.RESOURCE_EXHAUSTED)
    await eventually(() => node.comm.connections().length === 0)
    authenticated.close()
    await works()
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
    const lines = node.logger.lines.filter(
      ({ event, fields }) =>
        event === 'connection refused' && fields['reason'] === 'nobody authenticated: timeout',
    )
    expect(lines).to.have.length(4)
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
    expect(line.fields['reason']).to.equal('nobody authenticated: crowded out')
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
    const reason = 'nobody authenticated: timeout'
    await node.logger.line('connection refused', { reason })
    peer.close()
  })

  it('survives a flood of streams that never introduce themselves', async () => {
    await start()
    const { a } = await organizations()
    const tls = await a.tls('stranger')
    const flood = await Promise.all(
      Array.from({ length: 20 }, () => RawPeer.connect(node.peer.endpoint, tls)),
    )
    await Promise.all(flood.map((peer) => peer.frame(0)))
    await works()
    for (const peer of flood) peer.close()
  })
})
