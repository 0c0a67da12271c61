import { VirtualClock } from '@heddle/events/testing'
import { serializeIdentity } from '@heddle/msp'
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
import { connectionMessage, envelope, RawPeer } from '../support/raw-peer.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const connections = (...nodes: Node[]): number[] =>
  nodes.map(({ comm }) => comm.connections().length)
const line = (node: Node, event: string): object | undefined =>
  node.logger.lines.find((each) => each.event === event)?.fields

// The kind: a connection that outlives what it was made on.
describe('an identity that goes', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  const clockNow = (): VirtualClock => new VirtualClock({ wallTimeMs: Date.now() })
  const endingSoon = async (): Promise<Node['signer']> => {
    const { a } = await organizations()
    return a.identity('brief', 'peer', { notAfter: new Date(Date.now() + 3_600_000) })
  }
  const connected = async (from: Node, to: Node): Promise<void> => {
    const inbox = new Inbox(to.comm)
    await from.comm.push(dataMessage(1), to.peer)
    await inbox.take(1)
  }

  for (const dialler of ['it', 'the other']) {
    it(`because it expires loses its connection at once, on both sides, when ${dialler} dialled`, async () => {
      const clock = clockNow()
      const brief = await createNode({ as: { signer: await endingSoon() } })
      const other = await createNode({ clock, mapper: {} })
      const dead = other.comm.presumedDead()
      await (dialler === 'it' ? connected(brief, other) : connected(other, brief))
      await clock.advance(3_599_000)
      expect(connections(brief, other)).to.deep.equal([1, 1])
      await clock.advance(2000)
      expect(connections(other)).to.deep.equal([0])
      await eventually(() => connections(brief)[0] === 0)
      expect(line(other, 'peer disconnected')).to.include({
        endedBy: 'us',
        reason: 'its identity is expired',
      })
      await other.comm.stop()
      expect((await dead.next()).done, 'nobody is presumed dead').to.equal(true)
    })
  }

  it('because it was revoked loses its connection at once', async () => {
    const one = await createNode()
    const two = await createNode()
    await connected(one, two)
    two.revoke(one.signer.serialized)
    expect(two.mapper.suspectPeers(() => true)).to.equal(1)
    expect(connections(two)).to.deep.equal([0])
    await eventually(() => connections(one)[0] === 0)
  })

  it('that is one’s own takes every connection with it, with one line', async () => {
    const clock = clockNow()
    const brief = await createNode({ clock, mapper: {}, as: { signer: await endingSoon() } })
    const [two, three] = await Promise.all([createNode(), createNode()])
    await connected(brief, two)
    await connected(three, brief)
    await clock.advance(3_601_000)
    expect(connections(brief)).to.deep.equal([0])
    await eventually(() => connections(two, three).join() === '0,0')
    const errors = brief.logger.lines.filter(({ level }) => level === 'error')
    expect(errors.map(({ fields }) => fields)).to.deep.equal([{ reason: 'expired' }])
  })

  it('keeps a node from starting when it is the own one, and says so', async () => {
    const clock = clockNow()
    const brief = await createNode({ clock, start: false, as: { signer: await endingSoon() } })
    await clock.advance(3_601_000)
    const error = await brief.comm.start().catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'COMM_IDENTITY_REFUSED')
  })

  it('that is connected is in use, without a message, for as long as it is', async () => {
    const clock = new VirtualClock()
    const one = await createNode({ clock, mapper: { usageThresholdMs: 1000 } })
    const two = await createNode()
    await connected(one, two)
    for (let i = 0; i < 20; i += 1) await clock.advance(500)
    expect(connections(one)).to.deep.equal([1])
    one.comm.closeConn(two.peer)
    await clock.advance(1200)
    const known = one.mapper.identityInfo().map(({ pkiId }) => hex(pkiId))
    expect(known).to.deep.equal([hex(one.comm.pkiId)])
  })
})

describe('a renewed certificate', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  it('is taken for that of its owner, though the old one was purged long ago', async () => {
    const clock = new VirtualClock()
    const one = await createNode({ clock, mapper: { usageThresholdMs: 1000 } })
    const two = await createNode()
    await one.comm.push(dataMessage(1), two.peer)
    await two.comm.stop()
    await eventually(() => connections(one)[0] === 0)
    await clock.advance(100_000)
    expect(one.mapper.identityInfo()).to.have.length(1)
    const port = Number(two.peer.endpoint.split(':')[1])
    const renewed = await createNode({ listen: { host: 'localhost', port } })
    const inbox = new Inbox(renewed.comm)
    const switches = one.comm.identitySwitch()
    await one.comm.push(dataMessage(2), two.peer)
    await inbox.take(1)
    expect(hex((await switches.next()).value!)).to.equal(hex(two.comm.pkiId))
  })
})

// The kind: one member takes what was meant for all.
describe('a member with many spellings of its certificate', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  it('has one place in the mapper and one among the connections', async () => {
    const node = await createNode({ maxConnections: 2, mapper: { maxIdentities: 3 } })
    const [member, honest] = await Promise.all([createNode({ start: false }), createNode()])
    const text = Buffer.from(member.signer.idBytes).toString('latin1')
    const peers: RawPeer[] = []
    const inbox = new Inbox(node.comm)
    for (let i = 0; i < 4; i += 1) {
      const spelling = text
        .split('\n')
        .map((each, at) => ((i >> at) & 1 ? `${each}\r` : each))
        .join('\n')
      const serialized = serializeIdentity('OrgA', Buffer.from(spelling, 'latin1'))
      const pkiId = node.mapper.pkiIdOf(serialized)!
      const peer = await RawPeer.connect(node.peer.endpoint, member.tls)
      peers.push(peer)
      peer.write(connectionMessage({ ...member, conn: { pkiId, identity: serialized } }))
      peer.write(envelope(dataMessage(i)))
      if (i === 0) await inbox.take(1)
      else expect((await peer.status).details).to.match(/its certificate is in use under PKI-ID/)
    }
    await honest.comm.push(dataMessage(9), node.peer)
    await inbox.take(2)
    expect(inbox.sequences).to.deep.equal([0, 9])
    expect(connections(node)).to.deep.equal([2])
    for (const peer of peers) peer.close()
  })
})
