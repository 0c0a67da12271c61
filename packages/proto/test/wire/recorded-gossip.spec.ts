import { X509Certificate, createHash, verify } from 'node:crypto'
import { expect } from 'chai'
import { decode, encode, gossip, msp, receive } from '../../src/index.ts'
import type { Received } from '../../src/index.ts'
import { frames, gossipFiles, networks, tlsCertificates } from '../support/fixtures.ts'

const sha256 = (...parts: (Uint8Array | string)[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function certificateOf(identity: Uint8Array): X509Certificate {
  return new X509Certificate(decode(msp.SerializedIdentitySchema, identity).idBytes)
}

function messageIn(envelope: gossip.Envelope): gossip.GossipMessage {
  return decode(gossip.GossipMessageSchema, envelope.payload)
}

/** Envelopes inside a message, each with a signature of its own. */
function inner({ content }: gossip.GossipMessage): gossip.Envelope[] {
  if (content.case === 'memReq') return [content.value.selfInformation!]
  if (content.case === 'memRes') return [...content.value.alive, ...content.value.dead]
  return []
}

function known(identities: Map<string, Uint8Array>, { content }: gossip.GossipMessage): string {
  if (content.case === 'conn') {
    identities.set(hex(content.value.pkiId), content.value.identity)
    return hex(content.value.pkiId)
  }
  if (content.case !== 'aliveMsg') return ''
  const pkiId = hex(content.value.membership!.pkiId)
  if (content.value.identity.length > 0) identities.set(pkiId, content.value.identity)
  return pkiId
}

for (const path of gossipFiles) {
  const network = networks.find((name) => path.startsWith(name))!

  describe(`gossip recorded in ${path}`, () => {
    const identities = new Map<string, Uint8Array>()
    const all: Received<gossip.Envelope>[] = frames(path).map((frame) =>
      receive(gossip.EnvelopeSchema, Buffer.from(frame.hex, 'hex')),
    )
    const envelopes = all
      .map(({ message }) => message)
      .flatMap((envelope) => [envelope, ...inner(messageIn(envelope))])
    for (const envelope of envelopes) known(identities, messageIn(envelope))

    for (const [i, frame] of frames(path).entries()) {
      it(`frame ${String(i)} (${frame.dir}, ${frame.kind}) decodes, and encodes to the same bytes`, () => {
        const { message: envelope, bytes } = all[i]!
        const message = messageIn(envelope)
        expect(hex(bytes), 'received bytes').to.equal(frame.hex)
        expect(encode(gossip.EnvelopeSchema, envelope).toString('hex')).to.equal(frame.hex)
        const payload = hex(envelope.payload)
        expect(encode(gossip.GossipMessageSchema, message).toString('hex')).to.equal(payload)
        const kind = message.content.case!.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
        expect(frame.kind.split(' ')[0], 'content').to.equal(kind)
        expect(frame.kind, 'tag').to.contain(`tag=${String(message.tag)} `)
        expect(frame.kind, 'signature').to.contain(`sig=${String(envelope.signature.length)}`)
      })
    }

    it('verifies over the received payload, with the certificate of the sender', () => {
      const signed = envelopes.filter((envelope) => envelope.signature.length > 0)
      expect(signed, 'signed envelopes').to.have.length.greaterThan(4)
      for (const [i, envelope] of signed.entries()) {
        const identity = identities.get(known(new Map(), messageIn(envelope)))!
        const { publicKey } = certificateOf(identity)
        const good = verify('sha256', envelope.payload, publicKey, envelope.signature)
        expect(good, `signature ${String(i)}`).to.equal(true)
        const changed = Uint8Array.from(envelope.payload)
        changed[changed.length - 1]! ^= 1
        const bad = verify('sha256', changed, publicKey, envelope.signature)
        expect(bad, `signature ${String(i)} over changed bytes`).to.equal(false)
      }
    })

    it('verifies the secret inside by the same certificate', () => {
      const withSecret = envelopes.filter((envelope) => envelope.secretEnvelope)
      for (const [i, envelope] of withSecret.entries()) {
        const { payload, signature } = envelope.secretEnvelope!
        const identity = identities.get(known(new Map(), messageIn(envelope)))!
        const good = verify('sha256', payload, certificateOf(identity).publicKey, signature)
        expect(good, `secret ${String(i)}`).to.equal(true)
        const { content } = decode(gossip.SecretSchema, payload)
        expect(content.case, `secret ${String(i)}`).to.equal('internalEndpoint')
        const again = encode(gossip.SecretSchema, decode(gossip.SecretSchema, payload))
        expect(hex(again)).to.equal(hex(payload))
      }
      expect(withSecret, 'secrets').to.have.length.greaterThan(0)
    })

    it('names each identity by the PKI-ID that it hashes to', () => {
      expect(identities.size).to.be.greaterThan(1)
      for (const [pkiId, identity] of identities) {
        const { mspid, idBytes } = decode(msp.SerializedIdentitySchema, identity)
        expect(mspid, pkiId).to.equal('Org1MSP')
        expect(sha256(mspid, idBytes)).to.equal(pkiId)
      }
    })

    it('binds each connection message to a TLS certificate of the organisation', () => {
      const hashes = tlsCertificates(network).map((certificate) => sha256(certificate.raw))
      const conns = envelopes
        .map((envelope) => messageIn(envelope).content)
        .filter((content) => content.case === 'conn')
      expect(conns).to.have.length.greaterThan(3)
      for (const { value } of conns) expect(hashes).to.include(hex(value.tlsCertHash))
    })
  })
}

describe('recorded gossip', () => {
  it('holds connection messages with probe and without, hellos and alive messages', () => {
    const contents = gossipFiles
      .flatMap(frames)
      .map((frame) => messageIn(decode(gossip.EnvelopeSchema, Buffer.from(frame.hex, 'hex'))))
      .map(({ content }) => content)
    const probes = contents.map((content) => content.case === 'conn' && content.value.probe)
    expect(probes).to.include(true)
    expect(probes).to.include(false)
    const kinds = new Set(contents.map((content) => content.case))
    expect([...kinds].sort()).to.deep.equal(['aliveMsg', 'conn', 'hello', 'memReq', 'memRes'])
  })
})
