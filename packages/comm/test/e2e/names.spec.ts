import { expect } from 'chai'
import { all, createNode, dataMessage, eventually, Inbox, stopNodes } from '../support/nodes.ts'
import type { Node } from '../support/nodes.ts'
import { connectionMessage, envelope, RawPeer } from '../support/raw-peer.ts'
import type { RemotePeer } from '../../src/index.ts'

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: string }).code,
  )
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const count = ({ logger }: Node, event: string): number =>
  logger.lines.filter((line) => line.event === event).length

// The kind: a second dial to a connected peer, which the other side takes for its only one.
describe('a second name for a connected peer', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  let one: Node
  let two: Node
  let inbox: Inbox
  /** Every name that leads to node two, its own last. */
  let names: RemotePeer[]

  beforeEach(async () => {
    one = await createNode()
    two = await createNode()
    const renewed = await createNode()
    one.mapper.put(renewed.comm.pkiId, renewed.signer.serialized)
    inbox = new Inbox(two.comm)
    const { endpoint } = two.peer
    const byAddress = endpoint.replace('localhost', '127.0.0.1')
    names = [
      { endpoint },
      { endpoint: byAddress },
      { endpoint, pkiId: renewed.comm.pkiId },
      { endpoint: byAddress, pkiId: renewed.comm.pkiId },
      two.peer,
    ]
  })

  const expectOneConnection = (): void => {
    expect(one.comm.connections().map(hex)).to.deep.equal([hex(two.comm.pkiId)])
    expect(two.comm.connections().map(hex)).to.deep.equal([hex(one.comm.pkiId)])
    expect(count(one, 'peer connected')).to.equal(1)
    expect(count(two, 'peer connected')).to.equal(1)
    expect(count(one, 'peer disconnected') + count(two, 'peer disconnected')).to.equal(0)
  }

  it('leads to its one connection, whoever dialled it, and loses nothing', async () => {
    for (const dialler of [one, two]) {
      await dialler.comm.push(dataMessage(0), dialler === one ? two.peer : one.peer)
      await eventually(() => one.comm.connections().length + two.comm.connections().length === 2)
      const sent = inbox.messages.length
      for (let i = 0; i < 20; i += 1) {
        await one.comm.push(dataMessage(i), names[i % names.length]!)
      }
      await inbox.take(sent + 20)
      expect(one.comm.connections(), 'one connection').to.have.length(1)
      expectOneConnection()
    }
  })

  it('loses nothing when all of them are dialled at one moment', async () => {
    for (let i = 0; i < 10; i += 1) {
      for (const name of names.slice(0, 4)) one.comm.send(dataMessage(i), name)
    }
    await inbox.take(40)
    expectOneConnection()
  })

  it('is dialled once: then the name is known', async () => {
    await one.comm.push(dataMessage(0), two.peer)
    for (let i = 0; i < 20; i += 1) await one.comm.push(dataMessage(i), names[i % 4]!)
    await inbox.take(21)
    // The endpoint dialled is known; another name of the host and the old PKI-ID are not.
    await eventually(() => count(two, 'peer probed us') === 2)
  })

  it('that belongs to somebody of another organisation is refused, and harms nobody', async () => {
    const stranger = await createNode({ organization: 'b' })
    one.mapper.put(stranger.comm.pkiId, stranger.signer.serialized)
    await one.comm.push(dataMessage(1), two.peer)
    const wrong = { endpoint: two.peer.endpoint, pkiId: stranger.comm.pkiId }
    expect(await codeOf(one.comm.push(dataMessage(2), wrong))).to.equal('COMM_UNEXPECTED_PEER')
    await two.logger.line('peer probed us')
    await one.comm.push(dataMessage(3), two.peer)
    await inbox.take(2)
    expect(inbox.sequences).to.deep.equal([1, 3])
    expectOneConnection()
  })

  it('acknowledges, by any name', async () => {
    two.comm.onMessage(all, (message) => message.ack())
    const options = { timeoutMs: 25_000, minAck: names.length }
    const result = await one.comm.sendWithAck(dataMessage(1), options, ...names)
    expect(result.toString()).to.equal(`{"successes":${names.length}}`)
    expectOneConnection()
  })
})

describe('a member that connects again and again', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  it('has two connections at most, and hurts nobody else', async () => {
    const node = await createNode({ maxConnections: 2 })
    const [member, other] = await Promise.all([createNode({ start: false }), createNode()])
    const inbox = new Inbox(node.comm)
    await other.comm.push(dataMessage(0), node.peer)
    const peers: RawPeer[] = []
    for (let i = 1; i <= 5; i += 1) {
      const peer = await RawPeer.connect(node.peer.endpoint, member.tls)
      peers.push(peer)
      peer.write(connectionMessage(member))
      peer.write(envelope(dataMessage(i)))
      await inbox.take(i + 1)
    }
    await Promise.all(peers.slice(0, 3).map(({ status }) => status))
    expect(node.comm.connections()).to.have.length(2)
    await other.comm.push(dataMessage(6), node.peer)
    await inbox.take(7)
    expect(inbox.sequences).to.deep.equal([0, 1, 2, 3, 4, 5, 6])
    for (const peer of peers) peer.close()
  })
})
