import { status } from '@grpc/grpc-js'
import { VirtualClock } from '@heddle/events/testing'
import { createTestOrganization } from '@heddle/msp/testing'
import { create, gossip } from '@heddle/proto'
import { expect } from 'chai'
import { createNode, dataMessage, Inbox, organizations, stopNodes } from '../support/nodes.ts'
import type { Node } from '../support/nodes.ts'
import { connectionMessage, envelope, hashOf, RawPeer } from '../support/raw-peer.ts'
import type { ConnectionMessageParts } from '../support/raw-peer.ts'

type Member = Pick<Node, 'signer' | 'tls'>

describe('the handshake of an accepting node', function () {
  this.timeout(30_000)
  let node: Node
  let inbox: Inbox
  let member: Member
  const peers: RawPeer[] = []

  const connect = async (tls?: Partial<Member['tls']>): Promise<RawPeer> => {
    const peer = await RawPeer.connect(node.peer.endpoint, tls)
    peers.push(peer)
    return peer
  }

  before(async () => {
    const { a } = await organizations()
    member = { signer: await a.identity('mallory', 'peer'), tls: await a.tls('mallory') }
  })

  beforeEach(async () => {
    node = await createNode()
    inbox = new Inbox(node.comm)
  })

  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.close()
    await stopNodes()
  })

  it('accepts a member, introduces itself with its server certificate, and delivers', async () => {
    const peer = await connect(member.tls)
    const introduction = connectionMessage(member)
    peer.write(introduction)
    peer.write(envelope(dataMessage(7)))
    const answer = await peer.frame(0)
    const [message] = await inbox.take(1)

    expect(answer.tag).to.equal(gossip.GossipMessage_Tag.EMPTY)
    expect(answer.content.case).to.equal('conn')
    const conn = answer.content.value as gossip.ConnEstablish
    expect(Buffer.from(conn.tlsCertHash)).to.deep.equal(hashOf(node.tls.certificate))
    expect(conn.probe).to.equal(false)
    expect(Buffer.from(conn.pkiId)).to.deep.equal(Buffer.from(node.comm.pkiId))

    const { connection } = message!
    expect(Buffer.from(connection.pkiId)).to.deep.equal(Buffer.from(member.signer.pkiId))
    expect(Buffer.from(connection.identity)).to.deep.equal(Buffer.from(member.signer.serialized))
    expect(connection.endpoint).to.match(/^127\.0\.0\.1:\d+$|^::1:\d+$|^.*:\d+$/)
    const { signedData, signature } = connection.auth
    expect(member.signer.verify(signedData, signature)).to.equal(true)
  })

  it('ignores tag, nonce and channel of a connection message, as Fabric does', async () => {
    const peer = await connect(member.tls)
    const message = {
      tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
      nonce: 77n,
      channel: Buffer.from('x'),
    }
    peer.write(connectionMessage({ ...member, message }))
    peer.write(envelope(dataMessage(1)))
    await inbox.take(1)
  })

  const plusOne = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, Buffer.from([0])])
  const refusals: {
    title: string
    code: string
    reason: RegExp
    parts: (parts: Member, other: Member) => Partial<ConnectionMessageParts>
  }[] = [
    {
      title: 'a signature that is not the peer’s',
      code: 'COMM_BAD_SIGNATURE',
      reason: /signature/,
      parts: () => ({ signature: plusOne }),
    },
    {
      title: 'no signature',
      code: 'COMM_BAD_SIGNATURE',
      reason: /^Empty signature$/,
      parts: () => ({ signature: () => new Uint8Array() }),
    },
    {
      title: 'the PKI-ID of another',
      code: 'COMM_IDENTITY_REFUSED',
      reason: /./,
      parts: (_own, other) => ({ conn: { pkiId: other.signer.pkiId } }),
    },
    {
      title: 'no PKI-ID',
      code: 'COMM_NO_PKI_ID',
      reason: /^no PKI-ID$/,
      parts: () => ({ conn: { pkiId: new Uint8Array() } }),
    },
    {
      title: 'no identity',
      code: 'COMM_IDENTITY_REFUSED',
      reason: /./,
      parts: () => ({ conn: { identity: new Uint8Array() } }),
    },
    {
      title: 'another’s identity and PKI-ID with the right TLS hash',
      code: 'COMM_BAD_SIGNATURE',
      reason: /signature/,
      parts: (_own, { signer }) => ({ conn: { pkiId: signer.pkiId, identity: signer.serialized } }),
    },
    {
      title: 'a hash that is not that of its TLS certificate',
      code: 'COMM_TLS_BINDING_MISMATCH',
      reason: /^Expected \[\d+( \d+){31}\] in remote hash of TLS cert, but got \[\d+( \d+){32}\]$/,
      parts: ({ tls }) => ({ conn: { tlsCertHash: plusOne(hashOf(tls.certificate)) } }),
    },
    {
      title: 'no hash of a TLS certificate',
      code: 'COMM_TLS_BINDING_MISMATCH',
      reason: /but got \[\]$/,
      parts: () => ({ conn: { tlsCertHash: new Uint8Array() } }),
    },
    {
      title: 'something else than a connection message',
      code: 'COMM_WRONG_MESSAGE_TYPE',
      reason: /^wrong type$/,
      parts: () => ({
        message: { content: { case: 'empty', value: create(gossip.EmptySchema) } },
      }),
    },
  ]
  for (const { title, code, reason, parts } of refusals) {
    it(`refuses ${title}, says why, and hands on nothing`, async () => {
      const { a } = await organizations()
      const other = { signer: await a.identity('other', 'peer'), tls: await a.tls('other') }
      const peer = await connect(member.tls)
      peer.write(connectionMessage({ ...member, ...parts(member, other) }))
      peer.write(envelope(dataMessage(1)))
      const end = await peer.status
      expect(end.code).to.equal(status.UNKNOWN)
      expect(end.details).to.match(reason)
      const line = await node.logger.line('handshake refused')
      expect(line).to.deep.include({ level: 'warn' })
      expect(line.fields['code']).to.equal(code)
      expect(node.metrics.get(`gossip_comm_refusals_total ${code}`)).to.equal(1)
      expect(inbox.messages).to.deep.equal([])
      expect(node.comm.connections()).to.deep.equal([])
    })
  }

  it('refuses a recorded connection message of another TLS connection', async () => {
    const { a } = await organizations()
    const peer = await connect(await a.tls('thief'))
    peer.write(connectionMessage(member))
    expect((await peer.status).details).to.match(/in remote hash of TLS cert/)
    const known = node.mapper.identityInfo().map(({ pkiId }) => Buffer.from(pkiId).toString('hex'))
    expect(known).to.deep.equal([Buffer.from(node.comm.pkiId).toString('hex')])
  })

  it('refuses frames that are no envelope or hold no message', async () => {
    const malformed = [Buffer.from('0aff', 'hex'), Buffer.from('0a03ffffff', 'hex')]
    for (const frame of malformed) {
      const peer = await connect(member.tls)
      peer.write(frame)
      const end = await peer.status
      expect(end.code, frame.toString('hex')).to.equal(status.UNKNOWN)
      expect(end.details).to.match(/^Failed unmarshalling GossipMessage from envelope: /)
    }
    expect(node.metrics.get('gossip_comm_refusals_total COMM_MALFORMED_MESSAGE')).to.equal(2)
  })

  it('refuses an empty frame as of the wrong type', async () => {
    const peer = await connect(member.tls)
    peer.write(Buffer.alloc(0))
    expect((await peer.status).details).to.equal('wrong type')
  })

  it('refuses an identity that no MSP of the network knows', async () => {
    const { a } = await organizations()
    const stranger = await a.variant('stranger', 'other-ca')
    const peer = await connect(member.tls)
    peer.write(connectionMessage({ ...member, signer: stranger as unknown as Member['signer'] }))
    await peer.status
    expect((await node.logger.line('handshake refused')).fields['code']).to.equal(
      'COMM_IDENTITY_REFUSED',
    )
  })

  it('says nothing to a client without a TLS certificate but why', async () => {
    const peer = await connect()
    peer.write(connectionMessage(member))
    expect(await peer.status).to.deep.equal({
      code: status.UNKNOWN,
      details: 'no TLS certificate',
    })
    expect(peer.frames).to.deep.equal([])
  })

  it('refuses a TLS certificate of another CA before anything else, and logs the reason', async () => {
    const other = await createTestOrganization({ mspId: 'X' })
    const peer = await connect(await other.tls('stranger'))
    expect((await peer.status).code).to.equal(status.UNAVAILABLE)
    const line = await node.logger.line('connection refused')
    expect(line.fields['reason']).to.match(/its TLS certificate is not of a known CA: [A-Z_]+/)
  })

  it('names a TLS certificate that is not valid yet, or no more, with our clock', async () => {
    const { a } = await organizations()
    const day = 86_400_000
    const from = new Date(Math.floor(Date.now() / 1000) * 1000 + day)
    const early = await connect(await a.tls('early', { notBefore: from }))
    expect((await early.status).code).to.equal(status.UNAVAILABLE)
    const line = await node.logger.line('connection refused')
    expect(line.fields['reason']).to.match(
      /^its TLS certificate \(.*CN=early.*\) is not valid before \S+Z: our clock says \S+Z$/,
    )
    expect(line.fields['reason']).to.include(from.toISOString())
  })

  it('answers a probe and keeps the connection that is there', async () => {
    const peer = await connect(member.tls)
    peer.write(connectionMessage(member))
    peer.write(envelope(dataMessage(1)))
    await inbox.take(1)
    const prober = await connect(member.tls)
    prober.write(connectionMessage({ ...member, conn: { probe: true } }))
    expect((await prober.status).code).to.equal(status.OK)
    expect((await prober.frame(0)).content.case).to.equal('conn')
    peer.write(envelope(dataMessage(2)))
    await inbox.take(2)
    expect(node.comm.connections()).to.have.length(1)
  })

  it('ends the stream of a member that sends an undecodable message, and delivers what came before', async () => {
    const peer = await connect(member.tls)
    peer.write(connectionMessage(member))
    peer.write(envelope(dataMessage(1)))
    peer.write(Buffer.from('0a03ffffff', 'hex'))
    peer.write(envelope(dataMessage(2)))
    expect((await peer.status).code).to.equal(status.UNKNOWN)
    expect(inbox.sequences).to.deep.equal([1])
    expect(node.comm.connections()).to.deep.equal([])
  })

  it('gives up on a client that says nothing', async () => {
    const clock = new VirtualClock()
    const slow = await createNode({ clock })
    const peer = await RawPeer.connect(slow.peer.endpoint, member.tls)
    peers.push(peer)
    await peer.frame(0)
    await clock.advance(2000)
    const end = await peer.status
    expect(end.code).to.equal(status.UNKNOWN)
    expect(end.details).to.match(/^timed out waiting for connection message from .+:\d+$/)
  })
})
