import { X509Certificate, createHash, verify } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import { type GeneratedNode, generateOrganization } from '@heddle/msp'
import { create, gossip as heddleGossip } from '@heddle/proto'
import { gossip, msp } from '@hyperledger/fabric-protos'
import { expect } from 'chai'
import { User } from 'fabric-common'
import { CommNode } from '../support/comm-node.ts'
import { eventually } from '../support/eventually.ts'

type Stream = ClientDuplexStream<gossip.Envelope, gossip.Envelope>

const mspId = 'Org1MSP'
const sha256 = (...parts: readonly Uint8Array[]): Buffer =>
  createHash('sha256').update(Buffer.concat(parts)).digest()

/** The other end: Fabric's generated gossip client, which encodes with google-protobuf. */
class GossipPeer {
  readonly pkiId: Buffer
  readonly received: gossip.GossipMessage[] = []
  readonly envelopes: gossip.Envelope[] = []
  readonly client: gossip.GossipClient
  ended = false
  readonly #identity = new msp.SerializedIdentity()
  readonly #user: User
  readonly #tlsHash: Buffer
  #stream: Stream | undefined

  private constructor(address: string, certificate: Buffer, key: Buffer, tls: readonly Buffer[]) {
    const [tlsCertificate, tlsKey, roots] = tls
    this.#identity.setMspid(mspId)
    this.#identity.setIdBytes(certificate)
    this.pkiId = sha256(Buffer.from(mspId), certificate)
    this.#user = User.createUser('peer1', '', mspId, certificate.toString(), key.toString())
    this.#tlsHash = sha256(new X509Certificate(tlsCertificate ?? '').raw)
    this.client = new gossip.GossipClient(
      address,
      credentials.createSsl(roots, tlsKey, tlsCertificate),
      { 'grpc.ssl_target_name_override': 'localhost' },
    )
  }

  static async of(node: GeneratedNode, address: string): Promise<GossipPeer> {
    const only = async (folder: string): Promise<Buffer> => {
      const [file = ''] = await readdir(join(node.mspDir, folder))
      return readFile(join(node.mspDir, folder, file))
    }
    const { certificate, key, roots } = node.tls
    const tls = await Promise.all([certificate, key, roots].map((path) => readFile(path)))
    return new GossipPeer(address, await only('signcerts'), await only('keystore'), tls)
  }

  ping(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.ping(new gossip.Empty(), (error) => (error === null ? resolve() : reject(error)))
    })
  }

  /** Opens the stream with a connection message, bound to a TLS certificate: its own by default. */
  connect(tlsHash = this.#tlsHash): void {
    const establish = new gossip.ConnEstablish()
    establish.setPkiId(this.pkiId)
    establish.setIdentity(this.#identity.serializeBinary())
    establish.setTlsCertHash(tlsHash)
    const message = new gossip.GossipMessage()
    message.setTag(gossip.GossipMessage.Tag.EMPTY)
    message.setConn(establish)
    const envelope = new gossip.Envelope()
    envelope.setPayload(message.serializeBinary())
    const payload = Buffer.from(envelope.getPayload_asU8())
    envelope.setSignature(this.#user.getSigningIdentity().sign(payload, undefined))
    const stream: Stream = this.client.gossipStream()
    stream.on('data', (each: gossip.Envelope) => {
      this.envelopes.push(each)
      this.received.push(gossip.GossipMessage.deserializeBinary(each.getPayload_asU8()))
    })
    const end = (): void => {
      this.ended = true
    }
    stream.on('error', end)
    stream.on('end', end)
    stream.write(envelope)
    this.#stream = stream
  }

  send(message: gossip.GossipMessage): void {
    const envelope = new gossip.Envelope()
    envelope.setPayload(message.serializeBinary())
    this.#stream?.write(envelope)
  }

  close(): void {
    this.#stream?.cancel()
    this.client.close()
  }
}

describe("comm against Fabric's generated gossip client", function () {
  this.timeout(20_000)
  let dir: string
  let nodes: readonly GeneratedNode[]
  let node: CommNode
  let peer: GossipPeer

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-interop-'))
    const sans = ['localhost', '127.0.0.1']
    const spec = (name: string) => ({ name, role: 'peer' as const, sans })
    const nodesOf = { nodes: [spec('peer0'), spec('peer1')], domain: 'org1.example.com' }
    nodes = (await generateOrganization({ mspId, dir, ...nodesOf })).nodes
  })

  after(() => rm(dir, { recursive: true, force: true }))

  beforeEach(async () => {
    node = await CommNode.start({ ...nodes[0]!, mspId })
    peer = await GossipPeer.of(nodes[1]!, node.comm.address)
  })

  afterEach(async () => {
    peer.close()
    await node.stop()
  })

  const connected = () =>
    eventually('the connection', () => {
      const [first] = node.comm.connections()
      return first !== undefined && peer.received.length > 0 ? first : undefined
    })

  it('answers a ping', async () => {
    await peer.ping()
  })

  it('shows who it is, bound to its TLS certificate, and knows the client by its PKI-ID', async () => {
    peer.connect()
    expect(Buffer.from(await connected())).to.deep.equal(peer.pkiId)
    const conn = peer.received[0]!.getConn()!
    const identity = msp.SerializedIdentity.deserializeBinary(conn.getIdentity_asU8())
    expect(identity.getMspid()).to.equal(mspId)
    const idBytes = identity.getIdBytes_asU8()
    const pkiId = sha256(Buffer.from(mspId), idBytes)
    expect(Buffer.from(conn.getPkiId_asU8())).to.deep.equal(pkiId)
    const tls = new X509Certificate(await readFile(nodes[0]!.tls.certificate))
    expect(Buffer.from(conn.getTlsCertHash_asU8())).to.deep.equal(sha256(tls.raw))
    const [envelope] = peer.envelopes
    const { publicKey } = new X509Certificate(idBytes)
    const good = verify(
      'sha256',
      envelope!.getPayload_asU8(),
      publicKey,
      envelope!.getSignature_asU8(),
    )
    expect(good, 'signature of the connection message').to.equal(true)
  })

  it('receives data from the client, and answers and acknowledges on its stream', async () => {
    peer.connect()
    await connected()
    const payload = new gossip.Payload()
    payload.setSeqNum(42)
    payload.setData(Buffer.from('to Heddle'))
    const data = new gossip.DataMessage()
    data.setPayload(payload)
    const message = new gossip.GossipMessage()
    message.setNonce(99)
    message.setChannel(Buffer.from('channel'))
    message.setTag(gossip.GossipMessage.Tag.CHAN_AND_ORG)
    message.setDataMsg(data)
    peer.send(message)
    const received = await eventually('the data message', () => node.find('dataMsg'))
    const { content } = received.message
    const value = content.case === 'dataMsg' ? content.value.payload : undefined
    expect(value?.seqNum).to.equal(42n)
    expect(Buffer.from(value?.data ?? []).toString()).to.equal('to Heddle')
    const answer = { seqNum: 43n, data: Buffer.from('to the client') }
    await received.respond(
      create(heddleGossip.GossipMessageSchema, {
        nonce: 100n,
        channel: Buffer.from('channel'),
        tag: heddleGossip.GossipMessage_Tag.CHAN_AND_ORG,
        content: { case: 'dataMsg', value: { payload: answer } },
      }),
    )
    await received.ack()
    await eventually('two answers', () => (peer.received.length > 2 ? true : undefined))
    const [, first, second] = peer.received
    expect(first!.getNonce()).to.equal(100)
    const answered = first!.getDataMsg()!.getPayload()!
    expect(answered.getSeqNum()).to.equal(43)
    expect(Buffer.from(answered.getData_asU8()).toString()).to.equal('to the client')
    expect(second!.getNonce(), 'nonce of the acknowledgement').to.equal(99)
    expect(second!.getAck()?.getError()).to.equal('')
  })

  it('refuses a client whose handshake names another TLS certificate', async () => {
    peer.connect(sha256(Buffer.from('another certificate')))
    await eventually('the end of the stream', () => (peer.ended ? true : undefined))
    expect(node.comm.connections()).to.deep.equal([])
  })
})
