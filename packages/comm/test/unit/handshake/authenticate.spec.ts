import { createHash } from 'node:crypto'
import { VirtualClock } from '@heddle/events/testing'
import { create, gossip } from '@heddle/proto'
import { expect } from 'chai'
import { hearIntroduction, introduce, noCertificate } from '../../../src/handshake/authenticate.ts'
import { CommError } from '../../../src/errors.ts'
import type { GossipStream } from '../../../src/transport/gossip-stream.ts'
import type { Introduced } from '../../../src/handshake/handshake.ts'
import type { PeerMapper } from '../../../src/index.ts'
import { decodeFrame, encodeMessage } from '../../../src/messages/message.ts'
import { FakeStream } from '../../support/fakes.ts'
import { dataMessage } from '../../support/nodes.ts'

const timeoutMs = 2000
const certificate = Buffer.from('certificate')
const tlsCertHash = createHash('sha256').update(certificate).digest()
const parts = { pkiId: Buffer.of(7), identity: Buffer.from('identity'), tlsCertHash, probe: true }

/** Takes every identity and every signature but what it is told to refuse. */
const mapper = (refuse: Partial<PeerMapper> = {}): PeerMapper =>
  ({ put() {}, verify() {}, sign: () => Buffer.from('signed'), ...refuse }) as unknown as PeerMapper

/** Somebody at the other end, who has to introduce himself. */
function listening(
  options: { remoteCertificate?: Uint8Array | undefined; mapper?: PeerMapper } = {},
): {
  stream: FakeStream
  clock: VirtualClock
  abort: (reason: Error) => void
  outcome: Promise<Introduced | CommError>
} {
  const stream = Object.assign(new FakeStream(), { remoteCertificate: certificate, ...options })
  const clock = new VirtualClock()
  const controller = new AbortController()
  const outcome = hearIntroduction({
    stream: stream as unknown as GossipStream,
    mapper: options.mapper ?? mapper(),
    clock,
    timeoutMs,
    signal: controller.signal,
  }).catch((error: unknown) => error as CommError)
  stream.paused = false
  return { stream, clock, abort: (reason) => controller.abort(reason), outcome }
}

function introduction(): Buffer {
  const stream = new FakeStream()
  introduce(stream as unknown as GossipStream, parts, mapper())
  return stream.written[0]!
}

const lineOf = (outcome: unknown): string => {
  expect(outcome).to.be.instanceOf(CommError)
  const { code, message } = outcome as CommError
  return `${code}: ${message}`
}

describe('hearIntroduction', () => {
  it('tells who introduced himself, and reads no further', async () => {
    const { stream, clock, outcome } = listening()
    stream.events?.onFrame(introduction())
    const { info, probe } = (await outcome) as Introduced
    expect([...info.pkiId, probe]).to.deep.equal([7, true])
    expect(Buffer.from(info.identity).toString()).to.equal('identity')
    expect(info.endpoint).to.equal('127.0.0.1:1')
    expect([stream.paused, clock.pending]).to.deep.equal([true, 0])
  })

  it('keeps what it was told though the frame is overwritten', async () => {
    const { stream, outcome } = listening()
    const frame = introduction()
    stream.events?.onFrame(frame)
    const { info } = (await outcome) as Introduced
    frame.fill(0)
    expect(Buffer.from(info.identity).toString()).to.equal('identity')
    expect([...info.pkiId]).to.deep.equal([7])
    expect(Buffer.from(info.auth.signature).toString()).to.equal('signed')
    expect(info.auth.signedData[0]).to.not.equal(0)
  })

  it('gives up when nothing comes in time, not earlier', async () => {
    const { stream, clock, outcome } = listening()
    await clock.advance(timeoutMs - 1)
    let settled = false
    void outcome.then(() => (settled = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(settled).to.equal(false)
    await clock.advance(1)
    expect(lineOf(await outcome)).to.equal(
      'COMM_HANDSHAKE_TIMEOUT: timed out waiting for connection message from 127.0.0.1:1',
    )
    expect(stream.paused).to.equal(false)
  })

  it('ends with the reason of whoever stops it', async () => {
    const { clock, abort, outcome } = listening()
    abort(new Error('stopped'))
    expect(await outcome).to.have.property('message', 'stopped')
    expect(clock.pending).to.equal(0)
  })

  it('says by whom it was refused, and why', async () => {
    const ends: [string, (stream: FakeStream) => void][] = [
      ['the stream ended', ({ events }) => events?.onRemoteDone()],
      ['the stream ended', ({ events }) => events?.onOver({ reason: undefined })],
      ['wrong type', ({ events }) => events?.onOver({ reason: 'wrong type' })],
    ]
    for (const [reason, end] of ends) {
      const { stream, outcome } = listening()
      stream.events?.onDrain()
      end(stream)
      expect(lineOf(await outcome)).to.equal(
        `COMM_REFUSED_BY_PEER: refused by 127.0.0.1:1: ${reason}`,
      )
    }
  })

  it('refuses who presented no certificate to TLS', async () => {
    const { stream, outcome } = listening({ remoteCertificate: undefined })
    stream.events?.onFrame(introduction())
    expect(lineOf(await outcome)).to.equal('COMM_NO_TLS_CERTIFICATE: no TLS certificate')
    expect(lineOf(noCertificate())).to.equal('COMM_NO_TLS_CERTIFICATE: no TLS certificate')
  })

  it('refuses what is no introduction, as Fabric words it', async () => {
    const { stream, outcome } = listening()
    stream.events?.onFrame(encodeMessage(dataMessage(1)).bytes)
    expect(lineOf(await outcome)).to.equal('COMM_WRONG_MESSAGE_TYPE: wrong type')
  })

  it('compares the hash of the certificate before anybody sees the identity', async () => {
    let seen = false
    const { stream, outcome } = listening({
      remoteCertificate: Buffer.from('another'),
      mapper: mapper({ put: () => void (seen = true) }),
    })
    stream.events?.onFrame(introduction())
    const expected = createHash('sha256').update('another').digest()
    expect(lineOf(await outcome)).to.equal(
      `COMM_TLS_BINDING_MISMATCH: Expected [${expected.join(' ')}] in remote hash of TLS cert, but got [${tlsCertHash.join(' ')}]`,
    )
    expect(seen).to.equal(false)
  })

  it('shows at most 64 bytes of a hash that is wrong', async () => {
    const { stream, outcome } = listening()
    const conn = create(gossip.ConnEstablishSchema, { ...parts, tlsCertHash: new Uint8Array(1000) })
    const message = create(gossip.GossipMessageSchema, { content: { case: 'conn', value: conn } })
    stream.events?.onFrame(encodeMessage(message).bytes)
    expect(lineOf(await outcome)).to.match(/but got \[0( 0){63}\]$/)
  })

  it('hands on why the identity or the signature was refused', async () => {
    for (const [method, code] of [
      ['put', 'COMM_IDENTITY_REFUSED'],
      ['verify', 'COMM_BAD_SIGNATURE'],
    ] as const) {
      const cause = new RangeError('for a reason')
      const refuse = (): never => {
        throw cause
      }
      const { stream, outcome } = listening({ mapper: mapper({ [method]: refuse }) })
      stream.events?.onFrame(introduction())
      const error = await outcome
      expect(lineOf(error)).to.equal(`${code}: for a reason`)
      expect(error).to.have.property('cause', cause)
    }
  })
})

describe('introduce', () => {
  it('writes one signed connection message', () => {
    const { envelope, message } = decodeFrame(introduction())
    expect(Buffer.from(envelope.message.signature).toString()).to.equal('signed')
    expect(message.tag).to.equal(gossip.GossipMessage_Tag.EMPTY)
    const conn = message.content.value as gossip.ConnEstablish
    expect(Buffer.from(conn.tlsCertHash)).to.deep.equal(tlsCertHash)
    expect(conn.probe).to.equal(true)
  })
})
