import { createServer } from 'node:net'
import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import { createComm } from '../../src/index.ts'
import type { CommOptions } from '../../src/index.ts'
import { resolveCommOptions } from '../../src/options.ts'
import type { Node } from '../support/nodes.ts'
import {
  all,
  createNode,
  dataMessage,
  eventually,
  Inbox,
  organizations,
  stopNodes,
} from '../support/nodes.ts'
import { RawPeer } from '../support/raw-peer.ts'

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: string }).code,
  )

describe('a comm', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  it('writes what is queued before it stops', async () => {
    const one = await createNode()
    const two = await createNode()
    const inbox = new Inbox(two.comm)
    await one.comm.push(dataMessage(0), two.peer)
    for (let i = 1; i < 20; i += 1) one.comm.send(dataMessage(i, 10_000), two.peer)
    await one.comm.stop()
    await inbox.take(20)
    expect(inbox.sequences).to.deep.equal([...Array(20).keys()])
  })

  it('stops although a peer does not read, and lets waiting pushes go', async () => {
    const clock = new VirtualClock()
    const one = await createNode({ sendBufferSize: 1, clock })
    const two = await createNode({ recvBufferSize: 1 })
    two.comm.onMessage(all, () => new Promise(() => undefined))
    await one.comm.push(dataMessage(0), two.peer)
    const pushes = Array.from({ length: 100 }, (_, i) =>
      codeOf(one.comm.push(dataMessage(i, 100_000), two.peer)),
    )
    await eventually(() => two.metrics.get('gossip_comm_messages_received') >= 2)
    const stopping = one.comm.stop()
    while (one.comm.connections().length > 0) await clock.advance(500)
    await stopping
    expect(new Set(await Promise.all(pushes))).to.include('COMM_CLOSED')
  })

  it('stops while it dials, while a peer sends, and twice at once', async () => {
    const one = await createNode()
    const two = await createNode()
    const silent = createServer((socket) => socket.on('error', () => undefined))
    await new Promise<void>((resolve) => silent.listen(0, 'localhost', resolve))
    const { port } = silent.address() as { port: number }
    const push = codeOf(one.comm.push(dataMessage(1), { endpoint: `localhost:${port}` }))
    const done = new AbortController()
    const sender = (async () => {
      while (!done.signal.aborted) {
        two.comm.send(dataMessage(1), one.peer)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    await eventually(() => one.metrics.get('gossip_comm_messages_received') > 10)
    await Promise.all([one.comm.stop(), one.comm.stop()])
    expect(await push).to.equal('COMM_STOPPED')
    expect(one.comm.state).to.equal('stopped')
    done.abort()
    await sender
    silent.close()
  })

  it('that stops blames nobody: it warns of nothing, and says that it ended the connections', async () => {
    for (const signal of [undefined, AbortSignal.abort()]) {
      const one = await createNode()
      const [two, three] = await Promise.all([createNode(), createNode()])
      const inboxes = [new Inbox(two.comm), new Inbox(one.comm)]
      await one.comm.push(dataMessage(1), two.peer)
      await three.comm.push(dataMessage(1), one.peer)
      await Promise.all(inboxes.map((inbox) => inbox.take(1)))
      const half = await RawPeer.connect(one.peer.endpoint, two.tls)
      await half.frame(0)
      await one.comm.stop(signal === undefined ? {} : { signal })
      const { lines } = one.logger
      expect(lines.filter(({ level }) => level === 'warn' || level === 'error')).to.deep.equal([])
      const ends = lines.filter(({ event }) => event === 'peer disconnected')
      expect(ends.map(({ fields }) => [fields['endedBy'], fields['reason']])).to.deep.equal(
        Array(2).fill(['us', 'shutting down']),
      )
      expect((await half.status).details).to.match(/stopping|shutting down|closed|dropped/i)
      half.close()
    }
  })

  it('stops at once when its signal has aborted', async () => {
    const one = await createNode()
    const two = await createNode({ recvBufferSize: 1 })
    two.comm.onMessage(all, () => new Promise(() => undefined))
    for (let i = 0; i < 20; i += 1) one.comm.send(dataMessage(i, 100_000), two.peer)
    await eventually(() => one.comm.connections().length === 1)
    await one.comm.stop({ signal: AbortSignal.abort() })
    expect(one.comm.connections()).to.deep.equal([])
  })

  it('stops before it has started, and while it starts', async () => {
    const one = await createNode({ start: false })
    await one.comm.stop()
    expect(one.comm.state).to.equal('stopped')
    const two = await createNode({ start: false })
    const starting = two.comm.start()
    await two.comm.stop()
    await starting
    expect(two.comm.state).to.equal('stopped')
  })

  it('stays idle when the port is taken, says so, and can be started later', async () => {
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(0, 'localhost', resolve))
    const { port } = squatter.address() as { port: number }
    const one = await createNode({ start: false, listen: { host: 'localhost', port } })
    const error = await one.comm.start().catch((e: unknown) => e)
    expect(error).to.have.property('code', 'COMM_LISTEN_FAILED')
    expect((error as Error).message).to.match(/EADDRINUSE/)
    expect(one.comm.state).to.equal('idle')
    await new Promise((resolve) => squatter.close(resolve))
    await one.comm.start()
    expect(one.comm.address).to.equal(`localhost:${port}`)
  })

  it('does not start when its signal has aborted', async () => {
    const one = await createNode({ start: false })
    const reason = new RangeError('enough')
    const start = one.comm.start({ signal: AbortSignal.abort(reason) })
    expect(await start.catch((e: unknown) => e)).to.equal(reason)
    expect(one.comm.state).to.equal('idle')
  })

  it('counts what it sends, receives and drops', async () => {
    const one = await createNode()
    const two = await createNode()
    const inbox = new Inbox(two.comm)
    for (let i = 0; i < 3; i += 1) await one.comm.push(dataMessage(i), two.peer)
    await inbox.take(3)
    expect(one.metrics.get('gossip_comm_messages_sent')).to.equal(3)
    expect(two.metrics.get('gossip_comm_messages_received')).to.equal(3)
    expect(one.metrics.get('gossip_comm_connections')).to.equal(1)
    await two.comm.stop()
    await eventually(() => one.metrics.get('gossip_comm_connections') === 0)
  })

  it('refuses options out of range and PEM texts that are none', async () => {
    const { a } = await organizations()
    const signer = await a.identity('peer', 'peer')
    const tls = await a.tls('peer')
    const other = await a.tls('other')
    const node = await createNode({ start: false })
    const right = {
      listen: { host: 'localhost', port: 0 },
      tls,
      identity: signer.serialized,
    }
    const wrong: [Partial<CommOptions>, RegExp][] = [
      [{ dialTimeoutMs: 0 }, /^dialTimeoutMs must be/],
      [{ connTimeoutMs: 1.5 }, /^connTimeoutMs must be/],
      [{ sendBufferSize: 0 }, /^sendBufferSize must be/],
      [{ recvBufferSize: Number.NaN }, /^recvBufferSize must be/],
      [{ maxMessageBytes: 2 ** 31 }, /^maxMessageBytes must be/],
      [{ redialDelayMs: -1 }, /^redialDelayMs must be/],
      [{ redialDelayMs: 200, maxRedialDelayMs: 199 }, /^maxRedialDelayMs must be/],
      [{ maxWaitingBytes: 0 }, /^maxWaitingBytes must be/],
      [{ pingAfterMs: 0 }, /^pingAfterMs must be/],
      [{ listen: { host: 'localhost', port: 65_536 } }, /^listen\.port must be/],
      [{ tls: { ...tls, key: other.key } }, /^tls\.key is not the key of tls\.certificate/],
      [{ tls: { ...tls, certificate: 'none' } }, /^tls\.certificate holds no PEM: give/],
      [{ tls: { ...tls, roots: [] } }, /^tls\.roots is empty/],
      [{ tls: { ...tls, roots: ['none'] } }, /^tls\.roots\[0\] holds no PEM: give/],
      [{ tls: { ...tls, roots: [...tls.roots, ''] } }, /^tls\.roots\[1\] is empty: give/],
      [{ tls: { ...tls, clientKey: other.key } }, /must be given together/],
      [
        { tls: { ...tls, clientCertificate: other.certificate, clientKey: tls.key } },
        /^tls\.clientKey is not the key of tls\.clientCertificate/,
      ],
      [
        { dialTimeout: 1 } as object,
        /^there is no option dialTimeout \(did you mean dialTimeoutMs\?\)/,
      ],
      [
        { tls: { ...tls, root: [] } as typeof tls },
        /^there is no option tls\.root \(did you mean tls\.roots\?\)/,
      ],
      [
        { listen: { ...right.listen, hots: 'x' } as typeof right.listen },
        /^there is no option listen\.hots/,
      ],
      [{ identity: Buffer.from('ff', 'hex') }, /^identity is no/],
    ]
    for (const [options, message] of wrong) {
      expect(() => createComm({ mapper: node.mapper }, { ...right, ...options }))
        .to.throw(message)
        .with.property('code', 'COMM_INVALID_OPTIONS')
    }
  })

  it('trusts an intermediate authority without the one that issued it, both ways', async () => {
    const { a } = await organizations()
    const ica = await a.tlsIntermediate()
    const nodeUnder = async (name: string): Promise<Node> => {
      const { certificate, key } = await ica.tls(name)
      return createNode({ tls: { certificate, key, roots: [ica.certificate] } })
    }
    const [one, two] = [await nodeUnder('one'), await nodeUnder('two')]
    const inbox = new Inbox(two.comm)
    await one.comm.push(dataMessage(3), two.peer)
    await inbox.take(1)
    expect(inbox.sequences).to.deep.equal([3])
  })

  it('has the defaults that its README states', async () => {
    const { a } = await organizations()
    const { serialized: identity } = await a.identity('peer', 'peer')
    const options = { listen: { host: 'localhost', port: 0 }, tls: await a.tls('peer'), identity }
    expect(resolveCommOptions(options)).to.include({
      pingAfterMs: 10_000,
      pingTimeoutMs: 10_000,
      redialDelayMs: 100,
      maxRedialDelayMs: 5000,
      maxWaitingBytes: 100 * 1024 * 1024,
    })
    const patient = resolveCommOptions({ ...options, redialDelayMs: 60_000 })
    expect(patient.maxRedialDelayMs).to.equal(60_000)
  })

  it('presents a client certificate of its own when it has one', async () => {
    const { a } = await organizations()
    const client = await a.tls('client')
    const two = await createNode()
    const inbox = new Inbox(two.comm)
    const one = await createNode({
      tls: { clientCertificate: client.certificate, clientKey: client.key },
    })
    await one.comm.push(dataMessage(1), two.peer)
    await inbox.take(1)
    const back = new Inbox(one.comm)
    await two.comm.push(dataMessage(2), one.peer)
    await back.take(1)
  })
})
