import { generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import { nameOf, parseCertificate } from '../../src/certificate.ts'
import { isListOf, parseRevocationList } from '../../src/crl.ts'
import { TAG, derEncode } from '../../src/der.ts'
import { certificateDer, decodePem } from '../../src/pem.ts'
import { signatureFault, toLowS } from '../../src/signature.ts'
import { chainOf } from '../../src/trust.ts'
import { algorithms, certify, newKeys, revoke, x509 } from '../support/ca.ts'
import type { Pair } from '../support/ca.ts'
import { changed, elementsOf, sequence, withKey } from '../support/der.ts'
import { lineOf } from '../support/line-of.ts'

const ecdsaSha384 = sequence(Buffer.from('06082a8648ce3d040303', 'hex'))

describe('a certificate', () => {
  let root: Pair
  let der: Buffer

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
    der = certificateDer((await certify({ subject: 'OU=peer, CN=p', issuer: root })).pem)
  })

  it('must name one algorithm for its signature', () => {
    const [signed, , signature] = elementsOf(der)
    const two = sequence(signed!, ecdsaSha384, signature!)
    expect(lineOf(() => parseCertificate(two))).to.equal(
      'MSP_MALFORMED_IDENTITY: two different signature algorithms',
    )
  })

  it('may have no extensions', () => {
    const plain = parseCertificate(changed(der, (fields) => fields.slice(0, -1)))
    expect(plain.isCa).to.equal(false)
    expect(plain.subjectKeyId).to.equal(undefined)
  })

  it('must be one for OpenSSL too, whose reason is the cause', () => {
    const odd = changed(der, ([, ...fields]) => [Buffer.from('a0020500', 'hex'), ...fields])
    expect(lineOf(() => parseCertificate(odd))).to.equal(
      'MSP_MALFORMED_IDENTITY: not an X.509 certificate',
    )
    expect(() => parseCertificate(odd))
      .to.throw()
      .with.nested.property('cause.code')
  })

  it('may have a key of a kind that nobody knows, but none of a known kind that cannot be read', () => {
    const bits = Buffer.from('030200ff', 'hex')
    const unknown = sequence(sequence(Buffer.from('06022a03', 'hex')), bits)
    expect(parseCertificate(withKey(der, unknown)).publicKey).to.equal(undefined)
    const kind = elementsOf(elementsOf(elementsOf(der)[0]!)[6]!)[0]!
    const rsa = sequence(Buffer.from('06092a864886f70d010101' + '0500', 'hex'))
    const ed25519 = sequence(Buffer.from('06032b6570', 'hex'))
    for (const known of [kind, rsa, ed25519]) {
      expect(lineOf(() => parseCertificate(withKey(der, sequence(known, bits))))).to.equal(
        'MSP_MALFORMED_IDENTITY: not an X.509 certificate',
      )
    }
  })

  it('has no key on a curve that Go does not know', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    const key = publicKey.export({ type: 'spki', format: 'der' })
    expect(lineOf(() => parseCertificate(withKey(der, key)))).to.equal(
      'MSP_UNSUPPORTED_CERTIFICATE: certificate "CN=p,OU=peer" has a key of ECDSA secp256k1, a curve that Go does not know',
    )
  })

  it('is called by its subject, or by its serial number', () => {
    expect(nameOf({ subjectText: 'CN=p', serial: '4001' })).to.equal('"CN=p"')
    expect(nameOf({ subjectText: '', serial: '4001' })).to.equal('with serial number "4001"')
  })
})

describe('a revocation list', () => {
  let root: Pair

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
  })

  const listOf = async (issuer: Pair): Promise<Buffer> =>
    decodePem(await revoke(issuer, ['4001']))!.der

  it('may tell in either form when the next one comes, or not at all', async () => {
    const der = await listOf(root)
    const next = (time?: Uint8Array): Buffer =>
      changed(der, (fields) => [
        ...fields.slice(0, 4),
        ...(time === undefined ? [] : [time]),
        ...fields.slice(5),
      ])
    const late = derEncode(TAG.generalizedTime, Buffer.from('20510101000000Z'))
    for (const list of [der, next(), next(late)])
      expect([...parseRevocationList(list).serials]).to.deep.equal(['4001'])
    expect(lineOf(() => parseRevocationList(next(Buffer.from('0500', 'hex'))))).to.match(
      /^MSP_MALFORMED_IDENTITY/,
    )
  })

  it('may be signed with RSA', async () => {
    const keys = await newKeys(algorithms.RSA)
    const issuer = await certify({ subject: 'CN=rsa', ca: true, keys })
    const certificate = parseCertificate(certificateDer(issuer.pem))
    expect(isListOf(parseRevocationList(await listOf(issuer)), certificate)).to.equal(true)
  })
})

describe('a chain that is refused', () => {
  const parsed = (pair: Pair): ReturnType<typeof parseCertificate> =>
    parseCertificate(certificateDer(pair.pem))

  it('says which rule its last candidate breaks', async () => {
    const root = await certify({ subject: 'CN=root', ca: true, pathLength: 0 })
    const critical = new x509.Extension('1.2.3', true, Buffer.from('0500', 'hex'))
    const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    const odd = await certify({ subject: 'CN=odd', ca: true, extensions: [critical] })
    const leaf = await certify({ subject: 'CN=leaf' })
    const refusal = async (issuer: Pair, intermediates: Pair[] = []): Promise<string> => {
      const below = parsed(await certify({ subject: 'CN=p', issuer }))
      const [roots, others] = [[root, odd, leaf].map(parsed), intermediates.map(parsed)]
      return lineOf(() => chainOf(below, { roots, intermediates: others }))
    }
    const unknown = (why: string): string =>
      `MSP_UNKNOWN_AUTHORITY: certificate "CN=p" does not chain to a root: ${why}`
    expect(await refusal(leaf)).to.equal(unknown('its issuer is not marked as a CA'))
    expect(await refusal(odd)).to.equal(
      unknown('its issuer has unknown critical extensions "1.2.3"'),
    )
    expect(await refusal(middle, [middle])).to.equal(
      unknown('the chain is longer than its issuer allows'),
    )
    expect(await refusal(root)).to.equal('taken')
  })

  it('says how many there are, when it is not the only one', async () => {
    const keys = await newKeys()
    const twins = await Promise.all(
      [1, 2].map((serial) => certify({ subject: 'CN=ca', ca: true, keys, serial: `400${serial}` })),
    )
    const below = parsed(await certify({ subject: 'CN=p', issuer: twins[0]! }))
    const anchors = { roots: twins.map(parsed), intermediates: [] }
    expect(lineOf(() => chainOf(below, anchors))).to.equal(
      'MSP_AMBIGUOUS_CHAIN: certificate "CN=p" has 2 chains to a root; only one is allowed',
    )
  })

  it('names the CA that limits names', async () => {
    const limits = new x509.Extension('2.5.29.30', true, Buffer.from('3000', 'hex'))
    const root = await certify({ subject: 'CN=root', ca: true, extensions: [limits] })
    const refusal = async (subject: string): Promise<string> => {
      const below = parsed(await certify({ subject, issuer: root }))
      return lineOf(() => chainOf(below, { roots: [parsed(root)], intermediates: [] }))
    }
    expect(await refusal('CN=host')).to.equal(
      'MSP_UNKNOWN_AUTHORITY: certificate "CN=host" does not chain to a root: "CN=root" above it has name constraints, which are not supported here',
    )
    expect(await refusal('CN=a b')).to.equal('taken')
  })
})

describe('a signature that is refused', () => {
  it('says what its numbers are', () => {
    const cause = (hex: string): string => {
      const fault = signatureFault(Buffer.from(hex, 'hex'), 'P-256')
      const inner = fault?.cause as { code: string; message: string }
      return `${inner.code}: ${inner.message}`
    }
    expect(cause('3006020180020101')).to.equal('MSP_MALFORMED_SIGNATURE: negative scalar')
    expect(cause('3006020101020100')).to.equal('MSP_MALFORMED_SIGNATURE: scalar is zero')
    const beyond = Buffer.from(`3026020101022100${'ff'.repeat(32)}`, 'hex')
    expect(lineOf(() => toLowS(beyond))).to.equal(
      'MSP_MALFORMED_SIGNATURE: S is not below the order',
    )
  })
})
