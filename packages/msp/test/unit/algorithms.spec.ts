import { expect } from 'chai'
import { checkWellFormed, isLowS } from '../../src/index.ts'
import {
  algorithms,
  certify,
  ec,
  identityOf,
  mspOf,
  newKeys,
  revoke,
  usualOus,
} from '../support/ca.ts'
import type { Pair } from '../support/ca.ts'
import { expectCode } from '../support/expect-code.ts'

// Kind: what need not be understood makes everything unusable. Algorithms are restricted for those
// who sign messages; a CA may have any that Go verifies (fabric v3.1.5 msp/mspimplsetup.go).

const authority = async (algorithm: object, more: object = {}): Promise<Pair> =>
  certify({ subject: 'CN=root', ca: true, keys: await newKeys({ ...algorithm }), ...more })

describe('the algorithm of a CA', () => {
  for (const [name, algorithm] of Object.entries(algorithms)) {
    it(`may be ${name}, also with intermediates, revocation and TLS CAs of it`, async () => {
      const root = await authority(algorithm)
      const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
      const [good, gone] = await Promise.all(
        [1, 2].map(() => certify({ subject: 'OU=peer, CN=p', issuer: middle })),
      )
      const edge = { roots: [root], intermediates: [middle], nodeOus: usualOus, tlsRoots: [root] }
      const own = mspOf({
        ...edge,
        crls: [await revoke(middle, [gone!.certificate.serialNumber])],
      })
      const signer = own.signingIdentity(good!.pem, good!.keyPem)
      own.validate(signer)
      checkWellFormed(signer.serialized)
      checkWellFormed(identityOf(await certify({ subject: 'OU=peer, CN=p', issuer: root })))
      const revoked = own.deserialize(identityOf(gone!))
      expectCode('MSP_REVOKED', () => own.validate(revoked))
      const byRoot = await revoke(root, [middle.certificate.serialNumber])
      expectCode('MSP_INVALID_CONFIG', () => mspOf({ ...edge, crls: [byRoot] }))
    })
  }

  it('must verify: a signature of another key, or of another kind, is none', async () => {
    const kinds = [ec, algorithms.RSA, algorithms.Ed25519]
    for (const trusted of kinds) {
      const own = mspOf({ roots: [await authority(trusted)], nodeOus: usualOus })
      for (const algorithm of kinds) {
        const other = await authority(algorithm)
        const stranger = identityOf(await certify({ subject: 'OU=peer, CN=p', issuer: other }))
        expectCode('MSP_UNKNOWN_AUTHORITY', () => own.deserialize(stranger))
      }
    }
  })

  it('is not SHA-1 under what a CA issues, as in Go, but may be under revocation lists', async () => {
    const root = await authority(ec)
    const own = mspOf({ roots: [root], nodeOus: usualOus })
    const weak = { name: 'ECDSA', hash: 'SHA-1' }
    const member = await certify({ subject: 'OU=peer, CN=p', issuer: root, algorithm: weak })
    const refused = (): unknown => own.deserialize(identityOf(member))
    expectCode('MSP_UNKNOWN_AUTHORITY', refused)
    expect(refused).to.throw(/ECDSA with SHA-1/)
    const sound = await certify({ subject: 'OU=peer, CN=p', issuer: root })
    const crl = await revoke(root, [sound.certificate.serialNumber], root, 'SHA-1')
    const strict = mspOf({ roots: [root], nodeOus: usualOus, crls: [crl] })
    const revoked = strict.deserialize(identityOf(sound))
    expectCode('MSP_REVOKED', () => strict.validate(revoked))
  })

  it('may be RSA with SHA-1 on a root, whose own signature proves nothing', async () => {
    const sha1 = { ...algorithms.RSA, hash: 'SHA-1' }
    const root = await authority(sha1)
    const own = mspOf({ roots: [root], nodeOus: usualOus, tlsRoots: [root] })
    const member = identityOf(await certify({ subject: 'OU=peer, CN=p', issuer: root }))
    expect(() => own.deserialize(member)).to.throw(/RSA with SHA-1/)
  })

  it('must be one that Fabric can import where it issues identities; a TLS CA may have any', async () => {
    const root = await authority(ec)
    const ed448 = await newKeys({ name: 'Ed448' })
    const odd = await certify({ subject: 'CN=odd', ca: true, issuer: root, keys: ed448 })
    const spec = { roots: [root], nodeOus: usualOus }
    expect(mspOf({ ...spec, tlsRoots: [odd] }).tlsRoots).to.deep.equal([odd.pem])
    expect(mspOf({ ...spec, tlsRoots: [root], tlsIntermediates: [odd] }).mspId).to.equal('Org1MSP')
    const refused = (): unknown => mspOf({ ...spec, intermediates: [odd] })
    expectCode('MSP_INVALID_CONFIG', refused)
    expect(refused).to.throw(/"CN=odd" .*\(Ed448\)/)
  })

  it('is not an ECDSA root without its own signature: that is an intermediate', async () => {
    const root = await authority(ec)
    const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    expectCode('MSP_INVALID_CONFIG', () => mspOf({ roots: [middle], nodeOus: usualOus }))
    expectCode('MSP_INVALID_CONFIG', () => mspOf({ roots: [root, middle], nodeOus: usualOus }))
    // TLS roots and RSA signatures are not looked at, as in Fabric.
    mspOf({ roots: [root], nodeOus: usualOus, tlsRoots: [middle] })
    const byRsa = await certify({
      subject: 'CN=m',
      ca: true,
      issuer: await authority(algorithms.RSA),
    })
    const own = mspOf({ roots: [byRsa], nodeOus: usualOus })
    own.validate(
      own.deserialize(identityOf(await certify({ subject: 'OU=peer, CN=p', issuer: byRsa }))),
    )
  })
})

describe('the algorithm of an identity', () => {
  let root: Pair

  before(async () => {
    root = await authority(ec)
  })

  for (const name of ['P-384', 'P-521'] as const) {
    it(`may be ECDSA on ${name}`, async () => {
      const own = mspOf({ roots: [root], nodeOus: usualOus })
      const keys = await newKeys(algorithms[name])
      const pair = await certify({ subject: 'OU=peer, CN=p', issuer: root, keys })
      const signer = own.signingIdentity(pair.pem, pair.keyPem)
      own.validate(signer)
      for (let i = 0; i < 8; i += 1) {
        const message = Buffer.of(i)
        const signature = signer.sign(message)
        expect(isLowS(signature, name)).to.equal(true)
        signer.checkSignature(message, signature)
        expect(signer.verify(message, signature)).to.equal(true)
      }
    })
  }

  for (const name of ['RSA', 'Ed25519'] as const) {
    it(`is not ${name}: it is named, and verifies nothing`, async () => {
      const own = mspOf({ roots: [root], nodeOus: usualOus })
      const keys = await newKeys(algorithms[name])
      const pair = await certify({ subject: 'OU=peer, CN=p', issuer: root, keys })
      const identity = own.deserialize(identityOf(pair))
      const named = name === 'RSA' ? /RSA 2048 bits/ : /Ed25519/
      expect(() => own.validate(identity)).to.throw(named)
      expectCode('MSP_UNSUPPORTED_CERTIFICATE', () => own.validate(identity))
      const signature = Buffer.from('3006020101020101', 'hex')
      expectCode('MSP_UNSUPPORTED_CERTIFICATE', () =>
        identity.checkSignature(Buffer.from('m'), signature),
      )
      expect(identity.verify(Buffer.from('m'), signature)).to.equal(false)
      expect(await identity.verifyAsync(Buffer.from('m'), signature)).to.equal(false)
      expectCode('MSP_UNSUPPORTED_CERTIFICATE', () => own.signingIdentity(pair.pem, pair.keyPem))
    })
  }

  it('does not matter to an administrator with NodeOUs, and refuses the MSP without', async () => {
    const keys = await newKeys(algorithms.RSA)
    const admin = await certify({ subject: 'OU=admin, CN=a', issuer: root, keys })
    mspOf({ roots: [root], admins: [admin], nodeOus: usualOus })
    expectCode('MSP_INVALID_CONFIG', () => mspOf({ roots: [root], admins: [admin] }))
  })
})
