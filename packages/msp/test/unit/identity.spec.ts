import { expect } from 'chai'
import fc from 'fast-check'
import {
  MspError,
  MspManager,
  checkWellFormed,
  pkiIdOf,
  serializeIdentity,
} from '../../src/index.ts'
import type { SigningIdentity } from '../../src/index.ts'
import { LruCache } from '../../src/cache.ts'
import { parseCertificate, sanitizeCertificate } from '../../src/certificate.ts'
import { parseRevocationList } from '../../src/crl.ts'
import { DerReader, TAG, derEncode } from '../../src/der.ts'
import { maxIdentityBytes } from '../../src/identity.ts'
import { certificateDer, decodePem, encodePem } from '../../src/pem.ts'
import { createTestOrganization } from '../../src/testing.ts'
import type { TestOrganization } from '../../src/testing.ts'
import { certify, revoke } from '../support/ca.ts'
import { expectCode } from '../support/expect-code.ts'

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The same signature with the other S, whichever it has. */
function otherS(signature: Uint8Array, padded = false): Buffer {
  const inner = new DerReader(signature).sequence()
  const r = inner.next(TAG.integer).bytes
  const s = BigInt(`0x${inner.next(TAG.integer).content.toString('hex')}`)
  const hex = (order - s).toString(16).padStart(64, '0')
  const bytes = Buffer.from(hex, 'hex')
  const first = padded || bytes[0]! >= 0x80 ? [Buffer.of(0), bytes] : [bytes]
  return derEncode(TAG.sequence, r, derEncode(TAG.integer, ...first))
}

/** The certificate with another signature on it. */
function resigned(der: Buffer, signature: Uint8Array): Buffer {
  const fields = new DerReader(der).sequence()
  const [signed, algorithm] = [fields.next().bytes, fields.next().bytes]
  return derEncode(
    TAG.sequence,
    signed,
    algorithm,
    derEncode(TAG.bitString, Buffer.of(0), signature),
  )
}

describe('Identity', () => {
  let org: TestOrganization
  let signer: SigningIdentity
  let pem: string
  const message = Buffer.from('a message')

  before(async () => {
    org = await createTestOrganization({ mspId: 'Org1MSP' })
    signer = await org.identity('peer0', 'peer')
    pem = Buffer.from(signer.idBytes).toString()
  })

  const withPem = (text: string): Uint8Array =>
    serializeIdentity('Org1MSP', Buffer.from(text, 'latin1'))

  describe('deserialize', () => {
    it('gives the same object for the same bytes, and keeps none of the caller’s', () => {
      const bytes = Uint8Array.from(signer.serialized)
      const identity = org.msp.deserialize(bytes)
      bytes.fill(0)
      expect(org.msp.deserialize(signer.serialized)).to.equal(identity)
      expect(Buffer.from(identity.serialized)).to.deep.equal(Buffer.from(signer.serialized))
      expect(identity.id).to.equal(signer.id)
      expect(pkiIdOf(identity.serialized)).to.deep.equal(identity.pkiId)
    })

    it('ignores white space behind the certificate, which checkWellFormed refuses', () => {
      const spaced = withPem(`${pem}\r\n \t\n`)
      const identity = org.msp.deserialize(spaced)
      org.msp.validate(identity)
      expect(identity.id).to.equal(signer.id)
      expect(Buffer.from(identity.pkiId)).to.not.deep.equal(Buffer.from(signer.pkiId))
      expectCode('MSP_TRAILING_BYTES', () => checkWellFormed(spaced))
    })

    const broken: [
      string,
      () => Uint8Array,
      'MSP_MALFORMED_IDENTITY' | 'MSP_TRAILING_BYTES' | 'MSP_UNKNOWN_MSP',
    ][] = [
      ['empty', () => new Uint8Array(), 'MSP_MALFORMED_IDENTITY'],
      ['no message', () => Buffer.from([0xff, 0xff]), 'MSP_MALFORMED_IDENTITY'],
      ['of another MSP', () => serializeIdentity('Org2MSP', Buffer.from(pem)), 'MSP_UNKNOWN_MSP'],
      ['without PEM', () => withPem('hello'), 'MSP_MALFORMED_IDENTITY'],
      ['broken PEM', () => withPem(pem.replace('MI', '%%')), 'MSP_MALFORMED_IDENTITY'],
      [
        'PEM of a key',
        () => withPem(pem.replaceAll('CERTIFICATE', 'PUBLIC KEY')),
        'MSP_MALFORMED_IDENTITY',
      ],
      ['followed by bytes', () => withPem(`${pem}x`), 'MSP_TRAILING_BYTES'],
      ['followed by a second certificate', () => withPem(pem + pem), 'MSP_TRAILING_BYTES'],
      [
        'no certificate',
        () => withPem(encodePem('CERTIFICATE', Buffer.from('3003020101', 'hex'))),
        'MSP_MALFORMED_IDENTITY',
      ],
      [
        'a certificate with bytes behind it',
        () => withPem(encodePem('CERTIFICATE', Buffer.concat([certificateDer(pem), Buffer.of(0)]))),
        'MSP_MALFORMED_IDENTITY',
      ],
      [
        'longer than maxIdentityBytes',
        () => withPem(`${'x'.repeat(maxIdentityBytes)}\n${pem}`),
        'MSP_MALFORMED_IDENTITY',
      ],
    ]
    for (const [what, make, code] of broken) {
      it(`refuses an identity that is ${what}`, () => {
        expectCode(code, () => org.msp.deserialize(make()))
      })
    }

    it('takes an identity of maxIdentityBytes', () => {
      const spare = maxIdentityBytes - withPem(pem).length
      const filled = (extra: number): Uint8Array => withPem(`${'x'.repeat(extra)}\n${pem}`)
      let fill = spare - 1
      while (filled(fill).length > maxIdentityBytes) fill -= 1
      expect(filled(fill)).to.have.length(maxIdentityBytes)
      org.msp.deserialize(filled(fill))
      expectCode('MSP_MALFORMED_IDENTITY', () => org.msp.deserialize(filled(fill + 1)))
    })

    it('is done by the MSP that the identity names', async () => {
      const other = await createTestOrganization({ mspId: 'Org2MSP' })
      const manager = new MspManager([org.msp, other.msp])
      const theirs = await other.identity('peer0', 'peer')
      expect(manager.mspIds).to.deep.equal(['Org1MSP', 'Org2MSP'])
      expect(manager.msp('Org2MSP')).to.equal(other.msp)
      expect(manager.deserialize(theirs.serialized).mspId).to.equal('Org2MSP')
      manager.validate(manager.deserialize(signer.serialized))
      expectCode('MSP_UNKNOWN_MSP', () => new MspManager([org.msp]).deserialize(theirs.serialized))
      expectCode('MSP_UNKNOWN_MSP', () => new MspManager([org.msp]).validate(theirs))
      expectCode('MSP_INVALID_CONFIG', () => new MspManager([org.msp, org.msp]))
    })
  })

  describe('checkWellFormed', () => {
    it('accepts what a node sends of itself', () => {
      checkWellFormed(signer.serialized)
    })

    it('refuses a signature on the certificate that is not canonical', () => {
      const der = certificateDer(pem)
      const padded = otherS(otherS(parseCertificate(der).signature), true)
      const odd = withPem(encodePem('CERTIFICATE', resigned(der, padded)))
      expectCode('MSP_NON_CANONICAL_SIGNATURE', () => checkWellFormed(odd))
    })

    it('refuses a signature on the certificate with bytes behind it', () => {
      const der = certificateDer(pem)
      const { signature } = parseCertificate(der)
      const odd = withPem(
        encodePem('CERTIFICATE', resigned(der, Buffer.concat([signature, Buffer.of(0)]))),
      )
      expectCode('MSP_NON_CANONICAL_SIGNATURE', () => checkWellFormed(odd))
    })
  })

  describe('a CA’s high S', () => {
    it('is made low: one identity, whichever of the two was received', () => {
      const der = certificateDer(pem)
      const { signature } = parseCertificate(der)
      const high = withPem(encodePem('CERTIFICATE', resigned(der, otherS(signature))))
      checkWellFormed(high)
      const identity = org.msp.deserialize(high)
      org.msp.validate(identity)
      expect(identity.id).to.equal(signer.id)
      expect(Buffer.from(identity.certificate.raw)).to.deep.equal(der)
      expect(Buffer.from(identity.serialized), 'as received').to.deep.equal(Buffer.from(high))
    })

    it('does not reach what a signing identity sends of itself', () => {
      const der = certificateDer(pem)
      const highPem = encodePem(
        'CERTIFICATE',
        resigned(der, otherS(parseCertificate(der).signature)),
      )
      const raw = parseCertificate(certificateDer(highPem))
      expect(sanitizeCertificate(raw, 'P-256').der).to.deep.equal(der)
      const low = parseCertificate(der)
      expect(sanitizeCertificate(low, 'P-256'), 'nothing to change').to.equal(low)
      expect(decodePem(highPem)?.der).to.not.deep.equal(der)
    })
  })

  describe('sign and verify', () => {
    it('agree, at once and on the thread pool', async () => {
      const signature = signer.sign(message)
      const identity = org.msp.deserialize(signer.serialized)
      identity.checkSignature(message, signature)
      expect(identity.verify(message, signature)).to.equal(true)
      expect(await identity.verifyAsync(message, signature)).to.equal(true)
      expect(signer.verify(message, signature)).to.equal(true)
    })

    it('tell why a signature is refused', async () => {
      const identity = org.msp.deserialize(signer.serialized)
      const signature = signer.sign(message)
      const other = (await org.identity('peer1', 'peer')).sign(message)
      const cases = [
        ['MSP_HIGH_S', otherS(signature)],
        ['MSP_MALFORMED_SIGNATURE', Buffer.concat([signature, Buffer.of(0)])],
        ['MSP_MALFORMED_SIGNATURE', new Uint8Array()],
        ['MSP_BAD_SIGNATURE', other],
      ] as const
      for (const [code, bytes] of cases) {
        expectCode(code, () => identity.checkSignature(message, bytes), code)
        expect(identity.verify(message, bytes), code).to.equal(false)
        expect(await identity.verifyAsync(message, bytes), code).to.equal(false)
      }
      expectCode('MSP_BAD_SIGNATURE', () =>
        identity.checkSignature(Buffer.from('another'), signature),
      )
    })

    it('always gives a low S', () => {
      for (let i = 0; i < 64; i += 1) signer.checkSignature(message, signer.sign(message))
    })
  })

  describe('signingIdentity', () => {
    it('refuses the key of another certificate, and what is no key', async () => {
      const a = await org.variant('a', 'no-ou')
      const b = await org.variant('b', 'no-ou')
      for (const key of [b.privateKey, 'nonsense', Buffer.from('nonsense'), b.certificate]) {
        expectCode('MSP_KEY_MISMATCH', () => org.msp.signingIdentity(a.certificate, key))
      }
      expect(org.msp.signingIdentity(a.certificate, Buffer.from(a.privateKey)).id).to.have.length(
        64,
      )
    })

    it('sends the certificate as Fabric writes it, whatever stands around it in the file', async () => {
      const { certificate, privateKey } = await org.variant('a', 'no-ou')
      const file = `Certificate:\n${certificate.replaceAll('\n', '\r\n')}\n`
      const identity = org.msp.signingIdentity(file, privateKey)
      expect(Buffer.from(identity.idBytes).toString()).to.equal(certificate)
    })
  })

  describe('every change of a byte', () => {
    const survives = (run: () => void): void => {
      try {
        run()
      } catch (error) {
        expect(error).to.be.instanceOf(MspError)
      }
    }

    it('of an identity is refused with a code, or is the same certificate', () => {
      const bytes = Buffer.from(signer.serialized)
      for (let at = 0; at < bytes.length; at += 1) {
        const cut = bytes.subarray(0, at)
        const flipped = Buffer.from(bytes)
        flipped[at]! ^= 1 << (at % 8)
        for (const changed of [cut, flipped]) {
          survives(() => checkWellFormed(changed))
          survives(() => expect(org.msp.deserialize(changed).id, `byte ${at}`).to.equal(signer.id))
        }
      }
    })

    it('of a certificate parses or is refused with a code', () => {
      const der = certificateDer(pem)
      for (let at = 0; at < der.length; at += 1) {
        for (const bit of [0, 3, 7]) {
          const flipped = Buffer.from(der)
          flipped[at]! ^= 1 << bit
          survives(() => void parseCertificate(flipped))
        }
        survives(() => void parseCertificate(der.subarray(0, at)))
      }
    })

    it('of a revocation list parses or is refused with a code', async () => {
      const ca = await certify({ subject: 'CN=root', ca: true })
      const der = decodePem(await revoke(ca, ['01', '02']))!.der
      for (let at = 0; at < der.length; at += 1) {
        const flipped = Buffer.from(der)
        flipped[at]! ^= 1 << (at % 8)
        survives(() => void parseRevocationList(flipped))
        survives(() => void parseRevocationList(der.subarray(0, at)))
      }
    })

    it('at random, too', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          survives(() => checkWellFormed(bytes))
          survives(() => void parseCertificate(Buffer.from(bytes)))
          survives(() => void org.msp.deserialize(serializeIdentity('Org1MSP', bytes)))
        }),
        { seed: 7, numRuns: 300 },
      )
    })
  })
})

describe('LruCache', () => {
  it('forgets what was used longest ago', () => {
    const cache = new LruCache<number>(2)
    cache.set('a', 1)
    cache.set('b', 2)
    expect(cache.get('a')).to.equal(1)
    cache.set('c', 3)
    expect(cache.get('b')).to.equal(undefined)
    expect([cache.get('a'), cache.get('c'), cache.size]).to.deep.equal([1, 3, 2])
    cache.set('a', 4)
    expect([cache.get('a'), cache.size]).to.deep.equal([4, 2])
  })
})
