import { Metadata, status } from '@grpc/grpc-js'
import { ReaderEnvelope } from '@heddle/client'
import { signedEnvelope } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { loadSigningIdentity } from '@heddle/msp'
import { createTestOrganization } from '@heddle/msp/testing'
import { common, create, decode, encode, gossip, heddle, orderer } from '@heddle/proto'
import { expect } from 'chai'
import { X509Certificate, createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { once } from 'node:events'
import { eventually } from '../support/eventually.ts'
import { Sandbox } from '../support/heddle.ts'
import { RawStream, announceMessage, garbage, sendTcp, sendTls } from '../support/intruder.ts'
import { Load } from '../support/load.ts'
import { Validators } from '../support/validators.ts'
import type { TestOrganization } from '@heddle/msp/testing'
import type { Credentials } from '../support/intruder.ts'

const gossipPath = '/gossip.Gossip/GossipStream'
const broadcastPath = '/orderer.AtomicBroadcast/Broadcast'
const deliverPath = '/orderer.AtomicBroadcast/Deliver'

/** More than any gRPC message may have. */
const tooLong = 101 * 1024 * 1024

const queryPath = '/heddle.Query/Get'
const question = encode(
  heddle.GetRequestSchema,
  create(heddle.GetRequestSchema, { contract: 'records', key: 'no such record' }),
)

/** Also the messages of a peer that are refused. */
const env = { CORE_LOGGING_SPEC: 'info:gossip.validators=debug' }

const ports = ['gossip', 'orderer', 'operations'] as const
type Port = (typeof ports)[number]

/** What a line of the log says about a refusal. */
interface Refusal {
  readonly msg: string
  readonly port: Port
  readonly reason: string | RegExp
}

const http1 = Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
/** How a client of gRPC begins: the preface, then empty SETTINGS. */
const http2 = Buffer.concat([preface, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])])
const clientHello = Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0]), garbage(512)])

/** A refusal of those that say nothing; it comes when its time is over, whatever goes on then. */
const late = /^no (TLS|request) within \d+ ms$/

describe('intruders', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  let network: Validators
  let load: Load
  let stranger: TestOrganization
  /** Certificate and key of the client for TLS: a connection with them is let in. */
  let member: Credentials
  /** Opened at the beginning, and never a word on them. */
  const silent: { readonly port: string; readonly closed: Promise<unknown> }[] = []
  const victim = 'validator1'

  before(async () => {
    await sandbox.open()
    stranger = await createTestOrganization({ mspId: 'Org0MSP' })
    network = await Validators.make(sandbox, 'net')
    await network.startAll(network.names, { env })
    member = network.client.tls
    load = new Load(network.client, 'load', network.client.endpoints, { perSecond: 50 })
    await load.start()
    for (const port of ports) {
      const [host, number] = network.described(victim)[port].split(':')
      const socket = connect(Number(number), host)
      socket.on('error', () => undefined)
      socket.resume()
      silent.push({ port, closed: once(socket, 'close') })
    }
  })
  after(async () => {
    try {
      await load.stop()
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  /** After each attack the work goes on, everywhere, on the same connections. */
  afterEach('others are not held up', async () => {
    await load.more(100)
    const lines = allRefusals(linesBefore, late)
    expect(lines, JSON.stringify(lines, undefined, 1)).to.have.length(expected)
    for (const name of network.names) {
      expect(network.process(name).running, `${name} runs`).to.equal(true)
      expect(await network.healthy(name), `${name} is healthy`).to.equal(true)
      expect((await network.status(name)).connected, `connected with ${name}`).to.equal(3)
    }
  })

  const at = (port: Port): string => network.described(victim)[port]

  const open = (
    port: 'gossip' | 'orderer',
    path: string,
    who: Credentials,
    metadata?: Metadata,
  ): RawStream => {
    const roots = network.client.endpoints[network.names.indexOf(victim)]!.roots[0]!
    return new RawStream(at(port), path, { ...who, roots: Buffer.from(roots) }, metadata)
  }

  /** What the client shows to be let in as a reader. */
  const reader = (): Promise<Metadata> => {
    const { channelId, signer, tls } = network.client
    return new ReaderEnvelope({ channelId, signer, tls, clock: systemClock }).metadata()
  }

  /** Lines of the log before the attack, and how many refusals it expects. */
  let linesBefore = 0
  let expected = 0
  beforeEach(() => {
    linesBefore = network.process(victim).lines.length
    expected = 0
  })

  /** Lines of the log at level warn that say whom which port refused and why. */
  function allRefusals(from: number, apart?: RegExp): Record<string, unknown>[] {
    return network
      .process(victim)
      .lines.slice(from)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['level'] === 'warn' && typeof line['port'] === 'string')
      .filter(({ reason }) => apart?.test(String(reason)) !== true)
  }

  const says = (line: Record<string, unknown>, { msg, port, reason }: Refusal): boolean =>
    line['msg'] === msg &&
    line['port'] === port &&
    /^127\.0\.0\.1:\d+$/.test(String(line['address'])) &&
    (typeof reason === 'string' ? line['reason'] === reason : reason.test(String(line['reason'])))

  /** Waits for the line of a refusal: with the port, an address and that reason. */
  const refused = async (msg: string, port: Port, reason: string | RegExp): Promise<void> => {
    expected += 1
    await eventually(
      `${victim} logs ${msg} on ${port}: ${String(reason)}`,
      () => allRefusals(linesBefore).some((line) => says(line, { msg, port, reason })),
      20_000,
    )
  }

  /** Waits for any other line of the log. */
  const logged = (what: string, reason: RegExp): Promise<void> =>
    eventually(
      `${victim} logs ${what}: ${String(reason)}`,
      () =>
        network
          .process(victim)
          .lines.slice(linesBefore)
          .some((line) => line.includes(what) && reason.test(line)),
      20_000,
    )

  for (const port of ['gossip', 'orderer'] as const) {
    describe(`on the port for ${port}`, () => {
      const withoutTls: readonly (readonly [string, Buffer, string | RegExp])[] = [
        ['garbage', garbage(64 * 1024), 'what came is not TLS'],
        ['HTTP/1', http1, 'HTTP/1 without TLS: this port wants TLS and HTTP/2'],
        ['gRPC without TLS', http2, 'HTTP/2 without TLS: this port wants TLS'],
        ['a TLS handshake of garbage', clientHello, /^the TLS handshake failed: /],
      ]
      for (const [what, bytes, reason] of withoutTls) {
        it(`${what} is refused, with the reason in the log`, async () => {
          await sendTcp(at(port), bytes)
          await refused('connection refused', port, reason)
        })
      }

      const insideTls: readonly (readonly [string, Buffer, string])[] = [
        ['garbage', garbage(64 * 1024), 'what came inside TLS is not HTTP/2'],
        ['HTTP/1', http1, 'HTTP/1 inside TLS: this port wants HTTP/2'],
        [
          'a preface with garbage',
          Buffer.concat([preface, garbage(64 * 1024)]),
          'the HTTP/2 inside TLS does not begin with its settings',
        ],
      ]
      for (const [what, bytes, reason] of insideTls) {
        it(`${what} inside the TLS of a member is refused, with the reason in the log`, async () => {
          await sendTls(at(port), member, bytes)
          await refused('connection refused', port, reason)
        })
      }

      it('garbage inside TLS without a certificate is refused, with the reason in the log', async () => {
        await sendTls(at(port), undefined, garbage(64 * 1024))
        const reason = {
          gossip: 'what came inside TLS is not HTTP/2',
          orderer: 'the client has no TLS certificate',
        }
        await refused('connection refused', port, reason[port])
      })

      it('a certificate of another CA is refused, with the reason in the log', async () => {
        await sendTls(at(port), await stranger.tls('localhost'), http2)
        await refused('connection refused', port, /^its TLS certificate is not of a known CA: /)
      })

      const paths = port === 'gossip' ? [gossipPath] : [broadcastPath, deliverPath, queryPath]
      for (const path of paths) {
        it(`a frame longer than any message is refused before it has come: ${path}`, async () => {
          const metadata = path === queryPath ? await reader() : new Metadata()
          const call = { path, length: tooLong, metadata }
          expect(await announceMessage(at(port), member, call)).to.equal(status.RESOURCE_EXHAUSTED)
          await refused('call refused', port, new RegExp(`larger than max \\(${tooLong} `))
        })
      }
    })
  }

  describe('in the handshake of gossip', () => {
    it('a handshake whose hash is not that of the TLS certificate is refused, with the reason in the log', async () => {
      // A validator's own words, passed on over somebody else's TLS connection.
      const relayed = await introduction('validator3', await tlsHash('validator3'))
      const stream = open('gossip', gossipPath, member)
      stream.write(relayed)
      const end = await stream.ended
      expect(end.details).to.match(/in remote hash of TLS cert/)
      await refused('handshake refused', 'gossip', /in remote hash of TLS cert/)
    })

    it('an identity of another CA is refused, with the reason in the log', async () => {
      const signer = await stranger.identity('validator1', 'orderer')
      const stream = open('gossip', gossipPath, member)
      stream.write(connEstablish(signer, hashOf(member.certificate)))
      expect((await stream.ended).code).to.equal(status.UNKNOWN)
      await refused('handshake refused', 'gossip', /./)
      await logged('handshake refused', /COMM_IDENTITY_REFUSED/)
    })

    it('a handshake of garbage is refused, with the reason in the log', async () => {
      const stream = open('gossip', gossipPath, member)
      stream.write(garbage(4096))
      expect((await stream.ended).code).to.equal(status.UNKNOWN)
      await refused('handshake refused', 'gossip', /./)
      await logged('handshake refused', /COMM_MALFORMED_MESSAGE/)
    })

    it('messages of a member that is no validator are refused, also well-formed ones', async () => {
      const stream = open('gossip', gossipPath, member)
      stream.write(connEstablish(network.client.signer, hashOf(member.certificate)))
      await stream.next()
      stream.write(garbage(4096, 7))
      await refused('undecodable message', 'gossip', /./)
      await stream.ended

      const again = open('gossip', gossipPath, member)
      again.write(connEstablish(network.client.signer, hashOf(member.certificate)))
      await again.next()
      const body = { case: 'consensus', value: garbage(100) } as const
      const data = encode(heddle.PeerMessageSchema, create(heddle.PeerMessageSchema, { body }))
      again.write(gossipData(data))
      await logged('peer message refused', /not a validator/)
      again.cancel()
    })
  })

  describe('in the calls of clients', () => {
    it('a question of garbage is refused, with the reason in the log', async () => {
      const stream = open('orderer', queryPath, member, await reader())
      stream.write(garbage(4096, 7))
      expect((await stream.ended).code).to.equal(status.INTERNAL)
      await refused('call refused', 'orderer', 'Error deserializing request')
    })

    it('a question without an envelope is refused, with the reason in the log', async () => {
      const stream = open('orderer', queryPath, member)
      stream.write(question)
      const end = await stream.ended
      expect(end.code).to.equal(status.UNAUTHENTICATED)
      expect(end.details).to.match(/: send in heddle-reader-bin an envelope /)
      await refused('call refused', 'orderer', /^no envelope in heddle-reader-bin$/)
    })

    it('a question of a stranger is refused, with the reason in the log', async () => {
      const { channelId, tls } = network.client
      const signer = await stranger.identity('client', 'client')
      const metadata = new ReaderEnvelope({ channelId, signer, tls, clock: systemClock }).metadata()
      const stream = open('orderer', queryPath, member, await metadata)
      stream.write(question)
      const end = await stream.ended
      expect(end.code).to.equal(status.PERMISSION_DENIED)
      expect(end.details).to.match(/sign as a member whom \/Channel\/Readers admits$/)
      await refused('call refused', 'orderer', /^may not read: /)
    })

    it('a question with the envelope of another client is refused, with the reason in the log', async () => {
      // A validator has been shown it, and passes it on over its own connection.
      const thief = await tlsOf('validator3')
      const stream = open('orderer', queryPath, thief, await reader())
      stream.write(question)
      expect((await stream.ended).code).to.equal(status.UNAUTHENTICATED)
      await refused('call refused', 'orderer', /^claimed TLS cert hash is /)
    })

    it('a question of a reader is answered', async () => {
      const stream = open('orderer', queryPath, member, await reader())
      stream.write(question)
      stream.end()
      const { found } = decode(heddle.GetReplySchema, await stream.next())
      expect(found).to.equal(false)
    })

    const { BAD_REQUEST, FORBIDDEN, REQUEST_ENTITY_TOO_LARGE } = common.Status
    const refusals: readonly [string, common.Status, RegExp, () => Promise<Uint8Array>][] = [
      ['garbage', BAD_REQUEST, /^malformed envelope: /, () => Promise.resolve(garbage(4096))],
      [
        'one that is too large',
        REQUEST_ENTITY_TOO_LARGE,
        /1048577 bytes/,
        () => Promise.resolve(garbage(1024 * 1024 + 1)),
      ],
      ['one whose signature is wrong', FORBIDDEN, /signature/, () => tampered()],
      ['one of a stranger', FORBIDDEN, /creator/, () => transaction(stranger)],
    ]
    for (const [what, code, reason, make] of refusals) {
      it(`an envelope is refused that is ${what}, with the reason in the log`, async () => {
        const stream = open('orderer', broadcastPath, member)
        stream.write(await make())
        const answer = decode(orderer.BroadcastResponseSchema, await stream.next())
        expect(common.Status[answer.status]).to.equal(common.Status[code])
        expect(answer.info).not.to.equal('')
        await refused('broadcast refused', 'orderer', reason)
        stream.cancel()
      })
    }
  })

  describe('on the port for operators', () => {
    const rubbish: readonly (readonly [string, Buffer, string])[] = [
      ['garbage', garbage(64 * 1024), 'what came is not HTTP'],
      ['TLS', clientHello, 'what came is not HTTP but TLS: this port does not use TLS'],
      ['gRPC', http2, 'what came is not HTTP/1 but HTTP/2'],
    ]
    for (const [what, bytes, reason] of rubbish) {
      it(`${what} instead of HTTP is refused, with the reason in the log`, async () => {
        expect(await sendTcp(at('operations'), bytes)).to.match(/^HTTP\/1\.1 400/)
        await refused('request refused', 'operations', reason)
      })
    }

    it('headers and bodies that are too long are refused, with the reason in the log', async () => {
      const header = `GET /metrics HTTP/1.1\r\nhost: x\r\nlong: ${'x'.repeat(64 * 1024)}\r\n\r\n`
      expect(await sendTcp(at('operations'), Buffer.from(header))).to.match(/^HTTP\/1\.1 431/)
      await refused('request refused', 'operations', 'the headers are too long')
      const url = `http://${at('operations')}/logspec`
      const body = JSON.stringify({ spec: 'x'.repeat(1024 * 1024) })
      const answer = await fetch(url, { method: 'PUT', body }).catch(() => undefined)
      // The connection may be cut before all of the body has gone out.
      if (answer !== undefined) expect(answer.status).to.equal(400)
      await refused('request refused', 'operations', /^the body is longer than \d+ bytes$/)
    })
  })

  describe('on every port', () => {
    for (const port of ports) {
      it(`a connection on which nothing comes is closed, with the reason in the log: ${port}`, async () => {
        await silent.find((each) => each.port === port)?.closed
        const msg = port === 'operations' ? 'request refused' : 'connection refused'
        await eventually(`${victim} logs that nothing came on ${port}`, () =>
          allRefusals(0).some((line) => says(line, { msg, port, reason: late })),
        )
        const lines = allRefusals(0).filter((line) => says(line, { msg, port, reason: late }))
        expect(lines).to.have.length(1)
      })
    }
  })

  function hashOf(pem: string | Buffer): Buffer {
    return createHash('sha256').update(new X509Certificate(pem).raw).digest()
  }

  async function tlsOf(name: string): Promise<Credentials> {
    const file = (which: string): Promise<Buffer> =>
      readFile(sandbox.path('net', ...nodeOf(name), 'tls', which))
    return { certificate: await file('server.crt'), key: await file('server.key') }
  }

  async function tlsHash(name: string): Promise<Buffer> {
    return hashOf((await tlsOf(name)).certificate)
  }

  function nodeOf(name: string): string[] {
    const organization = name.replace('validator', 'org')
    return [
      'crypto',
      `${organization}.example.com`,
      'orderers',
      `${name}.${organization}.example.com`,
    ]
  }

  interface Introduced {
    readonly pkiId: Uint8Array
    readonly serialized: Uint8Array
    sign(message: Uint8Array): Uint8Array
  }

  function connEstablish(signer: Introduced, tlsCertHash: Uint8Array): Uint8Array {
    const { pkiId, serialized: identity } = signer
    const value = create(gossip.ConnEstablishSchema, { pkiId, identity, tlsCertHash })
    const message = create(gossip.GossipMessageSchema, {
      tag: gossip.GossipMessage_Tag.EMPTY,
      content: { case: 'conn', value },
    })
    const payload = encode(gossip.GossipMessageSchema, message)
    return encode(
      gossip.EnvelopeSchema,
      create(gossip.EnvelopeSchema, { payload, signature: signer.sign(payload) }),
    )
  }

  /** What a validator says of itself at the beginning of a connection with that certificate. */
  async function introduction(name: string, tlsCertHash: Uint8Array): Promise<Uint8Array> {
    const { mspId } = network.described(name)
    const signer = await loadSigningIdentity(sandbox.path('net', ...nodeOf(name), 'msp'), mspId)
    return connEstablish(signer, tlsCertHash)
  }

  function gossipData(data: Uint8Array): Uint8Array {
    const message = create(gossip.GossipMessageSchema, {
      channel: Buffer.from(network.descriptor.channelId),
      tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
      content: { case: 'dataMsg', value: { payload: { data } } },
    })
    const payload = encode(gossip.GossipMessageSchema, message)
    return encode(gossip.EnvelopeSchema, create(gossip.EnvelopeSchema, { payload }))
  }

  async function sign(signer: Parameters<typeof signedEnvelope>[0]['signer']): Promise<Uint8Array> {
    const call = create(heddle.TransactionSchema, {
      contract: 'records',
      input: Buffer.from('{"id": "intruder"}'),
    })
    const { bytes } = await signedEnvelope({
      channelId: network.descriptor.channelId,
      type: common.HeaderType.MESSAGE,
      data: encode(heddle.TransactionSchema, call),
      signer,
      clock: systemClock,
    })
    return bytes
  }

  async function transaction(organization: TestOrganization): Promise<Uint8Array> {
    return sign(await organization.identity('client', 'client'))
  }

  /** A transaction of the client, with the signature of something else. */
  async function tampered(): Promise<Uint8Array> {
    const envelope = decode(common.EnvelopeSchema, await sign(network.client.signer))
    const signature = network.client.signer.sign(garbage(100))
    return encode(common.EnvelopeSchema, create(common.EnvelopeSchema, { ...envelope, signature }))
  }
})
