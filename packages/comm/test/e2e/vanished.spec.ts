import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import { createNode, dataMessage, eventually, Inbox, stopNodes } from '../support/nodes.ts'
import type { Node } from '../support/nodes.ts'
import { Proxy } from '../support/proxy.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a peer that vanishes without a word', function () {
  this.timeout(30_000)
  const proxies: Proxy[] = []
  afterEach(async () => {
    await stopNodes()
    for (const proxy of proxies.splice(0)) proxy.close()
  })

  const proxyTo = async (endpoint: string): Promise<Proxy> => {
    const proxy = await Proxy.to(endpoint)
    proxies.push(proxy)
    return proxy
  }

  /** The ping of `one` is due; its answer comes in real time, before that of a whole probe. */
  const ping = async (one: Node, endpoint: string, clock: VirtualClock): Promise<void> => {
    await clock.advance(10_000)
    await one.comm.probe({ endpoint })
  }

  it('is presumed dead by who dialled it 20 s after it was heard last, and its socket cut', async () => {
    const clock = new VirtualClock()
    const one = await createNode({ clock, pingAfterMs: 10_000 })
    const two = await createNode({ pingAfterMs: 3_600_000 })
    const proxy = await proxyTo(two.peer.endpoint)
    const inbox = new Inbox(two.comm)
    const dead = one.comm.presumedDead()
    await one.comm.push(dataMessage(1), { ...two.peer, endpoint: proxy.endpoint })
    await inbox.take(1)
    proxy.vanish()
    await clock.advance(19_999)
    expect(one.comm.connections()).to.have.length(1)
    await clock.advance(1)
    expect(one.comm.connections()).to.have.length(0)
    expect(hex((await dead.next()).value!)).to.equal(hex(two.comm.pkiId))
    const { fields } = await one.logger.line('peer disconnected')
    expect(fields).to.include({ endedBy: 'them', reason: 'no answer to a ping within 10000 ms' })
    await eventually(() => proxy.abandoned)
  })

  it('is not presumed dead while it answers pings, on the one TCP connection', async () => {
    const clock = new VirtualClock()
    const one = await createNode({ clock, pingAfterMs: 10_000 })
    const two = await createNode()
    const proxy = await proxyTo(two.peer.endpoint)
    const peer = { ...two.peer, endpoint: proxy.endpoint }
    await one.comm.push(dataMessage(1), peer)
    const inbox = new Inbox(two.comm)
    for (let i = 0; i < 5; i += 1) {
      await ping(one, proxy.endpoint, clock)
      await one.comm.push(dataMessage(i), peer)
      await inbox.take(i + 1)
    }
    expect(one.comm.connections()).to.have.length(1)
    expect(proxy.connections, 'one, and one for each probe').to.equal(1 + 5)
  })

  it('is presumed dead by who accepted it, too', async function () {
    // Less than the time-out that grpc-js would take by default.
    this.timeout(15_000)
    const one = await createNode({ pingAfterMs: 3_600_000 })
    const two = await createNode({ pingAfterMs: 200, pingTimeoutMs: 3000 })
    const proxy = await proxyTo(two.peer.endpoint)
    const inbox = new Inbox(two.comm)
    const dead = two.comm.presumedDead()
    await one.comm.push(dataMessage(1), { ...two.peer, endpoint: proxy.endpoint })
    await inbox.take(1)
    proxy.vanish()
    expect(hex((await dead.next()).value!)).to.equal(hex(one.comm.pkiId))
    expect(two.comm.connections()).to.have.length(0)
  })

  it('that is only slow with what it is sent has not vanished: it answers pings', async () => {
    const clock = new VirtualClock()
    const one = await createNode({ clock, pingAfterMs: 10_000 })
    const two = await createNode({ recvBufferSize: 1 })
    let release: () => void = () => undefined
    const busy = new Promise<void>((resolve) => (release = resolve))
    const inbox = new Inbox(two.comm)
    two.comm.onMessage(
      () => true,
      () => busy,
    )
    for (let i = 0; i < 20; i += 1) one.comm.send(dataMessage(i, 100_000), two.peer)
    await inbox.take(1)
    for (let i = 0; i < 5; i += 1) {
      await ping(one, two.peer.endpoint, clock)
    }
    expect(one.comm.connections()).to.have.length(1)
    release()
  })
})
