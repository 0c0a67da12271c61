import { constants, createSecretKey, generateKeyPairSync, sign } from 'node:crypto'
import { expect } from 'chai'
import { curveOf, isSignedWith, keyName, readAlgorithm } from '../../src/algorithm.ts'
import { DerReader } from '../../src/der.ts'

describe('isSignedWith', () => {
  const read = (hex: string): ReturnType<typeof readAlgorithm> =>
    readAlgorithm(new DerReader(Buffer.from(hex, 'hex')))
  const rsaSha256 = read('06092a864886f70d01010b')
  const toBeSigned = Buffer.from('to be signed')

  it('takes RSA keys from 1,024 bits on, as Go does', () => {
    for (const [modulusLength, taken] of [
      [1023, false],
      [1024, true],
    ] as const) {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })
      const signature = sign('sha256', toBeSigned, privateKey)
      const signed = { toBeSigned, algorithm: rsaSha256, signature }
      expect(isSignedWith(signed, publicKey), `${modulusLength}`).to.equal(taken)
    }
  })

  it('verifies nothing with an algorithm that is not known, or without a key', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const signature = sign('sha256', toBeSigned, privateKey)
    const md5 = read('06092a864886f70d010104')
    expect(md5.name).to.equal('algorithm "1.2.840.113549.1.1.4"')
    expect(isSignedWith({ toBeSigned, algorithm: md5, signature }, publicKey)).to.equal(false)
    expect(isSignedWith({ toBeSigned, algorithm: rsaSha256, signature }, undefined)).to.equal(false)
  })

  it('verifies nothing with a key of another kind than the algorithm takes', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const signature = sign('sha256', toBeSigned, privateKey)
    const algorithm = read('06082a8648ce3d040302')
    expect(algorithm.key).to.equal('ec')
    expect(isSignedWith({ toBeSigned, algorithm, signature }, publicKey)).to.equal(false)
  })

  it('verifies RSA-PSS with a salt as long as the digest, and no other', () => {
    const { privateKey: key, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const padding = constants.RSA_PKCS1_PSS_PADDING
    const algorithm = read('06092a864886f70d01010a3011a00f300d06096086480165030402010500')
    for (const [saltLength, taken] of [
      [32, true],
      [20, false],
    ] as const) {
      const signature = sign('sha256', toBeSigned, { key, padding, saltLength })
      expect(isSignedWith({ toBeSigned, algorithm, signature }, publicKey)).to.equal(taken)
    }
  })

  it('knows RSA-PSS by its digest; without one that is SHA-1, which verifies nothing', () => {
    const sha384 = `300d06096086480165030402020500`
    const pss = read(`06092a864886f70d01010a3011a00f${sha384}`)
    expect(pss).to.deep.include({ name: 'RSA-PSS with SHA-384', digest: 'sha384', pss: true })
    const bare = read('06092a864886f70d01010a3000')
    expect(bare).to.deep.include({ name: 'RSA-PSS with digest SHA-1', key: undefined })
  })
})

describe('readAlgorithm', () => {
  const read = (hex: string): unknown => readAlgorithm(new DerReader(Buffer.from(hex, 'hex')))
  const known: [hex: string, name: string, key: string, digest: string | undefined][] = [
    ['06072a8648ce3d0401', 'ECDSA with SHA-1', 'ec', 'sha1'],
    ['06082a8648ce3d040302', 'ECDSA with SHA-256', 'ec', 'sha256'],
    ['06082a8648ce3d040303', 'ECDSA with SHA-384', 'ec', 'sha384'],
    ['06082a8648ce3d040304', 'ECDSA with SHA-512', 'ec', 'sha512'],
    ['06092a864886f70d010105', 'RSA with SHA-1', 'rsa', 'sha1'],
    ['06092a864886f70d01010b', 'RSA with SHA-256', 'rsa', 'sha256'],
    ['06092a864886f70d01010c', 'RSA with SHA-384', 'rsa', 'sha384'],
    ['06092a864886f70d01010d', 'RSA with SHA-512', 'rsa', 'sha512'],
    ['06032b6570', 'Ed25519', 'ed25519', undefined],
  ]
  for (const [hex, name, key, digest] of known)
    it(`knows ${name}`, () => {
      expect(read(hex)).to.deep.equal({ name, key, digest, pss: false })
    })

  for (const [last, bits] of [
    [1, 256],
    [2, 384],
    [3, 512],
  ] as const)
    it(`knows RSA-PSS with SHA-${bits}`, () => {
      const digest = `300d060960864801650304020${last}0500`
      expect(read(`06092a864886f70d01010a3011a00f${digest}`)).to.deep.equal({
        ...{ name: `RSA-PSS with SHA-${bits}`, key: 'rsa', digest: `sha${bits}`, pss: true },
      })
    })

  it('names the digest of RSA-PSS that it does not know', () => {
    expect(read('06092a864886f70d01010a3008a006300406022a03')).to.deep.equal({
      ...{ name: 'RSA-PSS with digest "1.2.3"', key: undefined, digest: undefined, pss: false },
    })
  })
})

describe('curveOf', () => {
  it('knows the curves that Go knows, and none of other keys', () => {
    const curve = (namedCurve: string): unknown =>
      curveOf(generateKeyPairSync('ec', { namedCurve }).publicKey)
    expect(
      ['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1', 'secp256k1'].map(curve),
    ).to.deep.equal(['P-224', 'P-256', 'P-384', 'P-521', undefined])
    expect(curveOf(generateKeyPairSync('ed25519').publicKey)).to.equal(undefined)
    expect(curveOf(createSecretKey(Buffer.alloc(16)))).to.equal(undefined)
    expect(curveOf(undefined)).to.equal(undefined)
  })
})

describe('keyName', () => {
  it('says algorithm and size as people do', () => {
    const name = (type: string, options: object = {}): string =>
      keyName(generateKeyPairSync(type as never, options as never).publicKey as never)
    expect(name('ec', { namedCurve: 'secp256k1' })).to.equal('ECDSA secp256k1')
    expect(name('ec', { namedCurve: 'secp224r1' })).to.equal('ECDSA P-224')
    expect(name('rsa', { modulusLength: 1024 })).to.equal('RSA 1024 bits')
    expect(name('rsa-pss', { modulusLength: 1024 })).to.equal('RSA-PSS 1024 bits')
    expect(name('dsa', { modulusLength: 1024, divisorLength: 160 })).to.equal('DSA 1024 bits')
    expect(name('ed25519')).to.equal('Ed25519')
    expect(name('ed448')).to.equal('Ed448')
    expect(keyName(createSecretKey(Buffer.alloc(16)))).to.equal('secret')
    expect(name('x25519')).to.equal('x25519')
    expect(keyName(undefined)).to.equal('unknown')
  })
})
