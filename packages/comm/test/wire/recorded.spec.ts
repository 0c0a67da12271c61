import { readdirSync, readFileSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import { systemClock } from '@heddle/events'
import { createIdentityMapper } from '@heddle/identity'
import {
  createMessageCryptoService,
  loadMsp,
  MspManager,
  nOutOfPolicy,
  rolePrincipal,
  signaturePolicy,
} from '@heddle/msp'
import { createTestOrganization } from '@heddle/msp/testing'
import { create, gossip } from '@heddle/proto'
import { expect } from 'chai'
import {
  certificateHash,
  checkConnectionMessage,
  connectionMessage,
} from '../../src/handshake/handshake.ts'
import { decodeFrame, encodeMessage, verifyEnvelope } from '../../src/messages/message.ts'
import type { PeerMapper } from '../../src/index.ts'

interface Recording {
  readonly frames: readonly { dir: 'in' | 'out'; where: string; kind: string; hex: string }[]
}

const fixtures = new URL('../fixtures/', import.meta.url)

function recordings(version: string): Recording['frames'] {
  const folder = new URL(`${version}/`, fixtures)
  return readdirSync(folder)
    .filter((name) => name.startsWith('gossip'))
    .flatMap(
      (name) => (JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Recording).frames,
    )
}

function tlsHashes(version: string): Buffer[] {
  return [0, 1, 2].map((peer) => {
    const pem = readFileSync(new URL(`${version}/tls/peer${peer}.crt`, fixtures), 'utf8')
    return certificateHash(new X509Certificate(pem).raw)
  })
}

/** The mapper of a node that shares a channel with the recorded organisation. */
async function mapperOf(version: string): Promise<PeerMapper> {
  const recorded = await loadMsp(new URL(`${version}/msp`, fixtures).pathname, 'Org1MSP')
  const own = await createTestOrganization({ mspId: 'OrgA' })
  const signer = await own.identity('peer', 'peer')
  const msps = new MspManager([own.msp, recorded])
  const readers = signaturePolicy(nOutOfPolicy(1, [rolePrincipal('Org1MSP', 'member')]), msps)
  const channelMsps = new Map([['ch1', { msps, readers }]])
  const crypto = createMessageCryptoService({ localMsp: own.msp, signer, channelMsps })
  return createIdentityMapper(
    { crypto, advisor: crypto, clock: systemClock },
    { selfIdentity: signer.serialized },
  )
}

for (const version of ['bft-v3.1.5', 'raft-v2.5.16']) {
  describe(`frames recorded from Fabric, ${version}`, () => {
    it('decode, and hold the content that the recording names', () => {
      const cases = new Map([
        ['CONN', 'conn'],
        ['MEM_REQ', 'memReq'],
        ['MEM_RES', 'memRes'],
        ['ALIVE_MSG', 'aliveMsg'],
        ['HELLO', 'hello'],
      ])
      const frames = recordings(version)
      expect(frames.length).to.be.greaterThan(5)
      for (const { kind, hex } of frames) {
        const { message } = decodeFrame(Buffer.from(hex, 'hex'))
        expect(message.content.case, kind).to.equal(cases.get(kind.split(' ')[0]!))
        expect(message.tag, kind).to.equal(gossip.GossipMessage_Tag.EMPTY)
      }
    })

    it('pass the handshake: PKI-ID, identity, signature and TLS certificate hash', async () => {
      const mapper = await mapperOf(version)
      const hashes = tlsHashes(version)
      const frames = recordings(version).filter(({ kind }) => kind.startsWith('CONN'))
      const probes: boolean[] = []
      for (const { hex, dir } of frames) {
        const frame = Buffer.from(hex, 'hex')
        const { message } = decodeFrame(frame)
        const conn = message.content.value as gossip.ConnEstablish
        const hash = hashes.find((known) => known.equals(conn.tlsCertHash))
        expect(hash, 'the hash is that of a TLS certificate of the organisation').to.not.equal(
          undefined,
        )
        const remote = { address: '127.0.0.1:1', certificateHash: hash! }
        const { info, probe } = checkConnectionMessage(frame, remote, mapper)
        expect(Buffer.from(info.pkiId), dir).to.deep.equal(Buffer.from(conn.pkiId))
        if (dir === 'in') probes.push(probe)
      }
      expect(probes).to.include(true)
      expect(probes).to.include(false)
    })

    it('are what we send: the same bytes from the same parts, signature apart', () => {
      for (const { hex, kind } of recordings(version)) {
        if (!kind.startsWith('CONN')) continue
        const { envelope, message } = decodeFrame(Buffer.from(hex, 'hex'))
        const { pkiId, identity, tlsCertHash, probe } = message.content
          .value as gossip.ConnEstablish
        const ours = connectionMessage(
          { pkiId, identity, tlsCertHash, probe },
          () => envelope.message.signature,
        )
        expect(ours.bytes.toString('hex'), kind).to.equal(hex)
      }
    })

    it('fail the handshake with any byte of the payload flipped', async () => {
      const mapper = await mapperOf(version)
      const { hex } = recordings(version).find(
        ({ kind, dir }) => kind.startsWith('CONN') && dir === 'in',
      )!
      const right = Buffer.from(hex, 'hex')
      const conn = decodeFrame(right).message.content.value as gossip.ConnEstablish
      const remote = { address: 'x', certificateHash: Buffer.from(conn.tlsCertHash) }
      // From behind the tag of the payload, whose wire type the codec does not insist on.
      for (let at = 1; at < right.length; at += 7) {
        const wrong = Buffer.from(right)
        wrong[at]! ^= 0x01
        let accepted = false
        try {
          checkConnectionMessage(wrong, remote, mapper)
          accepted = true
        } catch (error) {
          expect((error as { code?: string }).code, `byte ${at}`).to.match(/^COMM_/)
        }
        expect(accepted, `byte ${at}`).to.equal(false)
      }
    })
  })
}

describe('golden vectors of Fabric v3.0.0', () => {
  const pkiId = '06112b92b5e1a18d658a6fadd77f8aaae16b0a15b7b13a080c2c2a2c551d537e'
  const identity = '0a074f7267314d5350120350454d'
  const parts = {
    pkiId: Buffer.from(pkiId, 'hex'),
    identity: Buffer.from(identity, 'hex'),
    tlsCertHash: Buffer.from('aabb', 'hex'),
  }

  it('connection message, with and without probe', () => {
    const payload = `180172360a20${pkiId}120e${identity}1a02aabb`
    const sign = (): Buffer => Buffer.from('010203', 'hex')
    const ours = connectionMessage({ ...parts, probe: false }, sign)
    expect(ours.bytes.toString('hex')).to.equal(`0a3a${payload}1203010203`)
    const probe = connectionMessage({ ...parts, probe: true }, sign)
    expect(probe.bytes.toString('hex')).to.equal(
      `0a3c180172380a20${pkiId}120e${identity}1a02aabb20011203010203`,
    )
  })

  it('acknowledgements, with a nonce of 2^64−1', () => {
    const ack = (nonce: bigint, error: string): string =>
      encodeMessage(
        create(gossip.GossipMessageSchema, {
          nonce,
          content: { case: 'ack', value: { error } },
        }),
      ).bytes.toString('hex')
    expect(ack(7n, '')).to.equal('0a050807b20100')
    expect(ack(2n ** 64n - 1n, 'no')).to.equal('0a1208ffffffffffffffffff01b201040a026e6f')
  })

  it('a block in a data message', () => {
    const message = create(gossip.GossipMessageSchema, {
      channel: Buffer.from('ch'),
      tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
      content: { case: 'dataMsg', value: { payload: { seqNum: 5n, data: Buffer.from([9]) } } },
    })
    expect(encodeMessage(message).bytes.toString('hex')).to.equal(
      '0a0f12026368180442070a050805120109',
    )
  })

  it('verifies what it signs, secret included, in Fabric’s order of checks', () => {
    const envelope = create(gossip.EnvelopeSchema)
    const verify = (): void => undefined
    expect(() => verifyEnvelope(envelope, verify)).to.throw('Empty payload')
    envelope.payload = Buffer.from([1])
    expect(() => verifyEnvelope(envelope, verify)).to.throw('Empty signature')
    envelope.signature = Buffer.from([2])
    envelope.secretEnvelope = create(gossip.SecretEnvelopeSchema)
    const seen: string[] = []
    verifyEnvelope(envelope, (signature, payload) => {
      seen.push(`${Buffer.from(signature).toString('hex')} ${Buffer.from(payload).toString('hex')}`)
    })
    expect(seen).to.deep.equal(['02 01', ' '])
  })
})
