import { expect } from 'chai'
import { create, msp as proto } from '@heddle/proto'
import type { MessageInitShape } from '@heddle/proto'
import { refuse } from '../../src/anchors.ts'
import { prefixed } from '../../src/errors.ts'
import { mspFromConfig } from '../../src/index.ts'
import type { MspOptions } from '../../src/index.ts'
import { encodePem } from '../../src/pem.ts'
import { certify, configOf, newKeys, revoke, usualOus } from '../support/ca.ts'
import type { MspSpec, Pair } from '../support/ca.ts'
import { sequence, withKey } from '../support/der.ts'
import { lineOf } from '../support/line-of.ts'

const supported = 'which is not supported: its identities satisfy nothing here'

describe('a configuration that is refused says which part, and why', () => {
  let root: Pair
  let other: Pair
  let middle: Pair
  let member: Pair
  let usual: MspSpec

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
    other = await certify({ subject: 'CN=other', ca: true })
    middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    member = await certify({ subject: 'OU=peer, CN=p', issuer: root })
    usual = { roots: [root], nodeOus: usualOus }
  })

  const refusal = (spec: MspSpec, change: Partial<proto.FabricMSPConfig> = {}): string =>
    lineOf(() => mspFromConfig({ ...configOf(spec), ...change }))
  const invalid = (detail: string): string => `MSP_INVALID_CONFIG: MSP "Org1MSP": ${detail}`
  const pem = (text: string): Uint8Array[] => [Buffer.from(text)]
  const unchained = (name: string): string =>
    `certificate "${name}" does not chain to a root: no root or intermediate has its issuer's name`

  it('of an organisation without a name, or without a root', () => {
    expect(refusal(usual, { name: '' })).to.equal('MSP_INVALID_CONFIG: MSP "": the MSP has no name')
    expect(refusal(usual, { rootCerts: [] })).to.equal(invalid('the MSP has no root CA'))
  })

  it('of another type, or with other hashes', () => {
    const typed = (type: number, config: Uint8Array = Buffer.alloc(0)): string =>
      lineOf(() => mspFromConfig(create(proto.MSPConfigSchema, { type, config })))
    expect(typed(1)).to.equal(`MSP_UNSUPPORTED_MSP: it is an Idemix MSP, ${supported}`)
    expect(typed(2)).to.equal('MSP_INVALID_CONFIG: MSP type 2 is not known')
    expect(typed(0, Buffer.of(0xff))).to.match(
      /^MSP_INVALID_CONFIG: the MSP configuration cannot be decoded: not an encoding of msp\.FabricMSPConfig/,
    )
    const hashing = (init: MessageInitShape<typeof proto.FabricCryptoConfigSchema>): string =>
      refusal(usual, { cryptoConfig: create(proto.FabricCryptoConfigSchema, init) })
    const other = (hash: string): string =>
      `MSP_UNSUPPORTED_MSP: MSP "Org1MSP": it hashes with "${hash}", ${supported}`
    expect(hashing({ signatureHashFamily: 'SHA3' })).to.equal(other('SHA3'))
    expect(hashing({ identityIdentifierHashFunction: 'SHA384' })).to.equal(other('SHA384'))
    const usually = { signatureHashFamily: 'SHA2', identityIdentifierHashFunction: 'SHA256' }
    for (const sound of [usually, {}]) expect(hashing(sound)).to.equal('taken')
  })

  it('of a CA that is none, or that Fabric cannot use', async () => {
    expect(refusal({ ...usual, roots: [member] })).to.equal(
      invalid('root CA "CN=p,OU=peer" (1 of 1) is not marked as a CA'),
    )
    expect(refusal({ ...usual, tlsRoots: [root, member] })).to.equal(
      invalid('TLS root CA "CN=p,OU=peer" (2 of 2) is not marked as a CA'),
    )
    const nameless = await certify({ subject: 'CN=m', ca: true, issuer: root, subjectKeyId: false })
    expect(refusal({ ...usual, intermediates: [nameless] })).to.equal(
      invalid('intermediate CA "CN=m" (1 of 1) has no subject key id'),
    )
    const keys = await newKeys({ name: 'Ed448' })
    const odd = await certify({ subject: 'CN=odd', ca: true, issuer: root, keys })
    expect(refusal({ ...usual, intermediates: [odd] })).to.equal(
      invalid(
        'intermediate CA "CN=odd" (1 of 1) has a key (Ed448) that is not ECDSA, RSA or Ed25519',
      ),
    )
    const bits = Buffer.from('030200ff', 'hex')
    const unknown = sequence(sequence(Buffer.from('06022a03', 'hex')), bits)
    const der = withKey(Buffer.from(root.certificate.rawData), unknown)
    expect(refusal(usual, { rootCerts: pem(encodePem('CERTIFICATE', der)) })).to.equal(
      invalid('root CA "CN=root" (1 of 1) has a key (unknown) that is not ECDSA, RSA or Ed25519'),
    )
    expect(refusal({ ...usual, roots: [root, middle] })).to.equal(
      invalid(
        'root CA "CN=middle" (2 of 2) is not signed by itself: an intermediate CA belongs to intermediatecerts',
      ),
    )
  })

  it('of a CA that cannot be read, does not chain to a root, or is revoked', async () => {
    expect(refusal(usual, { rootCerts: pem('x') })).to.equal(
      invalid('root CA (1 of 1) is refused: no PEM block could be decoded'),
    )
    expect(refusal(usual, { tlsIntermediateCerts: pem(root.keyPem) })).to.equal(
      invalid(
        'TLS intermediate CA (1 of 1) is refused: the PEM block is a "PRIVATE KEY", not a CERTIFICATE',
      ),
    )
    const below = await certify({ subject: 'CN=below', ca: true, issuer: other })
    for (const [part, kind] of [
      ['intermediates', 'intermediate CA'],
      ['tlsIntermediates', 'TLS intermediate CA'],
    ] as const) {
      const spec = { ...usual, tlsRoots: [root] }
      expect(refusal({ ...spec, [part]: [below] })).to.equal(
        invalid(`${kind} "CN=below" (1 of 1) is refused: ${unchained('CN=below')}`),
      )
      const crls = [await revoke(root, [middle.certificate.serialNumber])]
      expect(refusal({ ...spec, [part]: [middle], crls })).to.equal(
        invalid(
          `${kind} "CN=middle" (1 of 1) is refused: certificate "CN=middle" has been revoked by its CA "CN=root"`,
        ),
      )
      const nobodys = [await revoke(root, [], null)]
      expect(refusal({ ...spec, [part]: [middle], crls: nobodys })).to.equal(
        invalid(
          `${kind} "CN=middle" (1 of 1) is refused: a revocation list has no authority key id: it does not say which CA it belongs to`,
        ),
      )
    }
  })

  it('of a revocation list that cannot be read', async () => {
    const sound = await revoke(root, [])
    expect(refusal({ ...usual, crls: [sound, 'x'] })).to.equal(
      invalid('revocation list (2 of 2) is refused: malformed DER: expected tag 30, found 78'),
    )
  })

  it('of an organisational unit whose CA is missing, cannot be read, or may not issue', async () => {
    const unit = (certificate: string): string =>
      refusal(usual, {
        organizationalUnitIdentifiers: [
          create(proto.FabricOUIdentifierSchema, {
            certificate: Buffer.from(certificate),
            organizationalUnitIdentifier: 'x',
          }),
        ],
      })
    const ca = 'the CA of organisational unit "x"'
    expect(unit('')).to.equal(
      invalid('organisational unit "x" does not name the CA that issues it'),
    )
    expect(unit('x')).to.equal(invalid(`${ca} (1 of 1) is refused: no PEM block could be decoded`))
    const below = await certify({ subject: 'CN=below', ca: true, issuer: other })
    expect(unit(below.pem)).to.equal(
      invalid(`${ca} "CN=below" (1 of 1) is refused: ${unchained('CN=below')}`),
    )
    expect(unit(member.pem)).to.equal(
      invalid(`${ca} "CN=p,OU=peer" (1 of 1) is not an issuing CA of this MSP`),
    )
    expect(unit(root.pem)).to.equal('taken')
    const edge = await certify({ subject: 'CN=edge', ca: true, issuer: middle })
    const spec = { roots: [root], intermediates: [middle, edge] }
    const peerOf = (of: Pair): string =>
      refusal({ ...spec, nodeOus: { admin: 'a', peer: ['b', of] } })
    expect(peerOf(middle)).to.equal(
      invalid(
        'the CA of organisational unit "b" "CN=middle" (1 of 1) is not an issuing CA of this MSP',
      ),
    )
    for (const issuing of [root, edge]) expect(peerOf(issuing)).to.equal('taken')
  })

  it('of administrators who are missing, strangers or no members', async () => {
    expect(refusal({ roots: [root] })).to.equal(
      invalid(
        'the MSP has neither administrators (admincerts) nor an organisational unit for them (NodeOUs in config.yaml)',
      ),
    )
    const stranger = await certify({ subject: 'CN=s', issuer: other })
    expect(refusal({ roots: [root], admins: [member, stranger] })).to.equal(
      invalid(`administrator "CN=s" (2 of 2) is refused: ${unchained('CN=s')}`),
    )
    const crls = [await revoke(root, [member.certificate.serialNumber])]
    expect(refusal({ roots: [root], admins: [member], crls })).to.equal(
      invalid(
        'administrator "CN=p,OU=peer" (1 of 1) is not a valid member: certificate "CN=p,OU=peer" has been revoked by its CA "CN=root"',
      ),
    )
    expect(refusal({ ...usual, admins: [member] })).to.equal(
      invalid('administrator "CN=p,OU=peer" (1 of 1) is not a valid member'),
    )
  })

  it('and with the cause, where there is one', () => {
    const caused = (config: Partial<proto.FabricMSPConfig>): unknown => {
      try {
        mspFromConfig({ ...configOf(usual), ...config })
      } catch (error) {
        return error
      }
      return undefined
    }
    expect(caused({ rootCerts: pem('x') })).to.have.nested.property(
      'cause.code',
      'MSP_MALFORMED_IDENTITY',
    )
    expect(caused({ rootCerts: [] })).to.have.property('cause', undefined)
    expect(refuse('no')).to.not.have.own.property('cause')
    const other = new TypeError('broken')
    expect(prefixed('MSP', other)).to.equal(other)
  })

  it('takes administrators by name where only some roles have a unit', async () => {
    const admin = await certify({ subject: 'OU=a, CN=x', issuer: root })
    expect(refusal({ roots: [root], admins: [admin], nodeOus: { admin: 'a' } })).to.equal('taken')
  })

  it('and so do the options', () => {
    const sized = (identityCacheSize: number): string =>
      lineOf(() => mspFromConfig(configOf(usual), { identityCacheSize }))
    expect(sized(0)).to.equal('MSP_INVALID_OPTIONS: identityCacheSize must be 1 or more, not 0')
    expect(sized(1.5)).to.equal('MSP_INVALID_OPTIONS: identityCacheSize must be 1 or more, not 1.5')
    expect(sized(1)).to.equal('taken')
    const mistyped = { identityCachesize: 5 } as MspOptions
    expect(lineOf(() => mspFromConfig(configOf(usual), mistyped))).to.match(
      /^MSP_INVALID_OPTIONS: there is no option identityCachesize \(did you mean identityCacheSize\?\)/,
    )
  })
})
