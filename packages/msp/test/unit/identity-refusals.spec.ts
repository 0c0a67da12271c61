import { createPublicKey } from 'node:crypto'
import { expect } from 'chai'
import { DerReader, TAG, derEncode } from '../../src/der.ts'
import { MspManager, checkWellFormed, serializeIdentity } from '../../src/index.ts'
import type { Msp } from '../../src/index.ts'
import { encodePem } from '../../src/pem.ts'
import { certify, identityOf, mspOf, revoke, usualOus, x509 } from '../support/ca.ts'
import type { Pair } from '../support/ca.ts'
import { lineOf } from '../support/line-of.ts'

describe('an identity that is refused says why', () => {
  let root: Pair
  let own: Msp

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
    own = mspOf({ roots: [root], nodeOus: usualOus })
  })

  const judged = (serialized: Uint8Array, msp = own, at?: Date): string =>
    lineOf(() => msp.validate(msp.deserialize(serialized), { ...(at && { at }) }))
  const member = async (subject = 'OU=peer, CN=p', issuer = root): Promise<Pair> =>
    certify({ subject, issuer })

  it('when its bytes are none', async () => {
    const { pem, keyPem } = await member()
    const of = (text: string): string => judged(serializeIdentity('Org1MSP', Buffer.from(text)))
    expect(judged(new Uint8Array())).to.equal(
      'MSP_MALFORMED_IDENTITY: an identity of 0 bytes; 1 to 65536 are allowed',
    )
    expect(judged(new Uint8Array(65_537))).to.equal(
      'MSP_MALFORMED_IDENTITY: an identity of 65537 bytes; 1 to 65536 are allowed',
    )
    expect(judged(Buffer.of(0xff))).to.equal('MSP_MALFORMED_IDENTITY: not a SerializedIdentity')
    expect(() => own.deserialize(Buffer.of(0xff)))
      .to.throw()
      .with.property('cause')
    expect(of('x')).to.equal('MSP_MALFORMED_IDENTITY: no PEM block could be decoded')
    expect(of(keyPem)).to.equal(
      'MSP_MALFORMED_IDENTITY: the PEM block is a "PRIVATE KEY", not a CERTIFICATE',
    )
    expect(of(`${pem}x`)).to.equal('MSP_TRAILING_BYTES: bytes follow the PEM block of the identity')
    expect(of(`${pem}\n`)).to.equal('taken')
    expect(of(pem.replaceAll('CERTIFICATE', ''))).to.equal('taken')
  })

  it('when it is not well-formed, which nobody on the network may be', async () => {
    const pair = await member()
    const of = (text: string): string =>
      lineOf(() => checkWellFormed(serializeIdentity('Org1MSP', Buffer.from(text))))
    expect(of(`${pair.pem}\n`)).to.equal(
      'MSP_TRAILING_BYTES: bytes follow the PEM block of the identity',
    )
    const parts = new DerReader(Buffer.from(pair.certificate.rawData)).sequence()
    const [signed, algorithm] = [parts.next().bytes, parts.next().bytes]
    const twice = derEncode(
      TAG.bitString,
      Buffer.of(0),
      parts.next().content.subarray(1),
      Buffer.of(0),
    )
    const pem = encodePem('CERTIFICATE', derEncode(TAG.sequence, signed, algorithm, twice))
    expect(of(pem)).to.equal(
      'MSP_NON_CANONICAL_SIGNATURE: the signature on the certificate is not canonical DER',
    )
    expect(() => checkWellFormed(serializeIdentity('Org1MSP', Buffer.from(pem))))
      .to.throw()
      .with.nested.property('cause.code', 'MSP_MALFORMED_SIGNATURE')
  })

  it('when it is of another organisation', async () => {
    const pem = Buffer.from((await member()).pem)
    const theirs = serializeIdentity('Org2MSP', pem)
    expect(judged(theirs)).to.equal('MSP_UNKNOWN_MSP: identity of "Org2MSP", not of "Org1MSP"')
    const manager = new MspManager([own])
    expect(lineOf(() => manager.deserialize(theirs))).to.equal(
      'MSP_UNKNOWN_MSP: no MSP with the id "Org2MSP" here',
    )
    expect(lineOf(() => new MspManager([own, own]))).to.equal(
      'MSP_INVALID_CONFIG: two MSPs with the id "Org1MSP"',
    )
  })

  it('when it is a CA, or of a CA that may not issue it', async () => {
    expect(judged(identityOf(root))).to.equal(
      'MSP_CA_AS_IDENTITY: "CN=root" is a CA, which cannot be an identity',
    )
    const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    const inner = mspOf({ roots: [root], intermediates: [middle], nodeOus: usualOus })
    expect(judged(identityOf(await member()), inner)).to.equal(
      'MSP_INTERNAL_ISSUER: certificate "CN=p,OU=peer" is issued by "CN=root", which has CAs below it',
    )
    const revoked = await member()
    const crls = [await revoke(root, [revoked.certificate.serialNumber])]
    expect(judged(identityOf(revoked), mspOf({ roots: [root], nodeOus: usualOus, crls }))).to.equal(
      'MSP_REVOKED: certificate "CN=p,OU=peer" has been revoked by its CA "CN=root"',
    )
  })

  it('when its organisational units are not what they must be', async () => {
    const none = identityOf(await member('CN=p'))
    const odd = identityOf(await member('OU=odd, OU=x, CN=p'))
    const noUnit = 'MSP_NO_ORGANIZATIONAL_UNIT: certificate "CN=p" has no organisational unit'
    expect(judged(none)).to.equal(noUnit)
    expect(judged(odd)).to.equal(
      'MSP_NO_ROLE: organisational units "odd", "x" are not a role of "Org1MSP"',
    )
    expect(judged(identityOf(await member('OU=peer, OU=admin, CN=p')))).to.equal(
      'MSP_SEVERAL_ROLES: organisational units "peer", "admin" are more than one role',
    )
    const unit = { roots: [root], memberUnits: [['peer', root]], admins: [await member()] } as const
    expect(judged(none, mspOf(unit))).to.equal(noUnit)
    expect(judged(odd, mspOf(unit))).to.equal(
      'MSP_WRONG_ORGANIZATIONAL_UNIT: none of the organisational units "odd", "x" is one of "Org1MSP"',
    )
    const other = await certify({ subject: 'CN=other', ca: true })
    const two = { roots: [root, other], nodeOus: { admin: 'a', peer: ['peer', other] } } as const
    expect(judged(identityOf(await member()), mspOf(two))).to.equal(
      'MSP_WRONG_CERTIFIER: organisational unit "peer" must be issued by another CA of "Org1MSP"',
    )
  })

  it('when its time is over, or has not come', async () => {
    const from = new Date('2024-01-01T00:00:00Z')
    const to = new Date('2024-02-01T00:00:00Z')
    const ca = await certify({ subject: 'CN=ca', ca: true, notBefore: from, notAfter: to })
    const then = { issuer: ca, notBefore: from, notAfter: to }
    const old = identityOf(await certify({ subject: 'OU=peer, CN=p', ...then }))
    const its = mspOf({ roots: [ca], nodeOus: usualOus })
    for (const at of [from, to]) expect(judged(old, its, at)).to.equal('taken')
    expect(judged(old, its, new Date(to.getTime() + 1))).to.equal(
      'MSP_EXPIRED: certificate "CN=p,OU=peer" expired at 2024-02-01T00:00:00.000Z (judged for 2024-02-01T00:00:00.001Z)',
    )
    expect(judged(old, its, new Date(from.getTime() - 1))).to.equal(
      'MSP_NOT_YET_VALID: certificate "CN=p,OU=peer" is valid from 2024-01-01T00:00:00.000Z on (judged for 2023-12-31T23:59:59.999Z)',
    )
  })

  it('when it did not sign', async () => {
    const pair = await member()
    const identity = own.deserialize(identityOf(pair))
    const signer = own.signingIdentity(pair.pem, pair.keyPem)
    const message = Buffer.from('m')
    const other = (signature: Uint8Array): string =>
      lineOf(() => identity.checkSignature(Buffer.from('other'), signature))
    expect(other(signer.sign(message))).to.equal(
      'MSP_BAD_SIGNATURE: signature is not by "CN=p,OU=peer" of "Org1MSP"',
    )
    const malformed = 'MSP_MALFORMED_SIGNATURE: not a DER-encoded ECDSA signature'
    expect(other(Buffer.of(0x30))).to.equal(malformed)
    const high = `3026020101022100${'ff'.repeat(32)}`
    expect(other(Buffer.from(high, 'hex'))).to.equal(
      'MSP_HIGH_S: S of the signature is larger than half the order',
    )
    const strange = await member()
    expect(lineOf(() => own.signingIdentity(pair.pem, strange.keyPem))).to.equal(
      'MSP_KEY_MISMATCH: the private key does not belong to the certificate "CN=p,OU=peer"',
    )
    expect(lineOf(() => own.signingIdentity(pair.pem, 'x'))).to.equal(
      'MSP_KEY_MISMATCH: the private key cannot be read',
    )
    expect(() => own.signingIdentity(pair.pem, 'x'))
      .to.throw()
      .with.nested.property('cause.code')
    const publicKey = createPublicKey(pair.pem)
    expect(lineOf(() => own.signingIdentity(pair.pem, publicKey))).to.match(/^MSP_KEY_MISMATCH/)
  })

  it('when its chain does not hold, by the last link that was tried', async () => {
    const chained = async (spec: object, leaf: object = {}): Promise<string> => {
      const ca = await certify({ subject: 'CN=ca', ca: true, issuer: root, ...spec })
      const below = await certify({ subject: 'OU=peer, CN=p', issuer: ca, ...leaf })
      const msp = mspOf({ roots: [root], intermediates: [ca], nodeOus: usualOus })
      return judged(identityOf(below), msp)
    }
    const unknown = (why: string): string =>
      `MSP_UNKNOWN_AUTHORITY: certificate "CN=p,OU=peer" does not chain to a root: ${why}`
    const day = 86_400_000
    const early = {
      notBefore: new Date(Date.now() - 3 * day),
      notAfter: new Date(Date.now() + day),
    }
    expect(await chained({}, early)).to.equal(
      unknown('its issuer was not valid when it was issued'),
    )
    const { digitalSignature } = x509.KeyUsageFlags
    expect(await chained({ usage: digitalSignature })).to.equal(
      unknown('its issuer may not sign certificates'),
    )
    expect(await chained({}, { algorithm: { name: 'ECDSA', hash: 'SHA-1' } })).to.equal(
      unknown('it is signed with ECDSA with SHA-1, which is not safe'),
    )
    const noon = new Date('2030-01-01T12:00:00Z')
    expect(await chained({}, { notBefore: noon, notAfter: noon })).to.equal(
      unknown('its validity is empty'),
    )
    const clientOnly = { purposes: ['1.3.6.1.5.5.7.3.2'] }
    expect(await chained({}, clientOnly)).to.equal(
      unknown('its extended key usages do not allow it'),
    )
    const forged = { issuer: root, issuerName: 'CN=ca' }
    expect(await chained({}, forged)).to.equal(
      unknown('its signature (ECDSA with SHA-256) is not by the issuer that it names'),
    )
    const critical = new x509.Extension('1.2.3', true, Buffer.from('0500', 'hex'))
    expect(await chained({}, { extensions: [critical] })).to.equal(
      'MSP_UNSUPPORTED_CERTIFICATE: certificate "CN=p,OU=peer" has critical extensions that are not applied: "1.2.3"',
    )
  })
})
