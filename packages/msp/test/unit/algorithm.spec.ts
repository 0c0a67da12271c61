import { generateKeyPairSync, sign } from 'node:crypto'
import { expect } from 'chai'
import { isSignedWith, keyName, readAlgorithm } from '../../src/algorithm.ts'
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

  it('knows RSA-PSS by its digest; without one that is SHA-1, which verifies nothing', () => {
    const sha384 = `300d06096086480165030402020500`
    const pss = read(`06092a864886f70d01010a3011a00f${sha384}`)
    expect(pss).to.deep.include({ name: 'RSA-PSS with SHA-384', digest: 'sha384', pss: true })
    const bare = read('06092a864886f70d01010a3000')
    expect(bare).to.deep.include({ name: 'RSA-PSS with digest SHA-1', key: undefined })
  })
})

describe('keyName', () => {
  it('says algorithm and size as people do', () => {
    const name = (type: string, options: object = {}): string =>
      keyName(generateKeyPairSync(type as never, options as never).publicKey as never)
    expect(name('ec', { namedCurve: 'secp256k1' })).to.equal('ECDSA secp256k1')
    expect(name('ec', { namedCurve: 'secp224r1' })).to.equal('ECDSA P-224')
    expect(name('rsa', { modulusLength: 1024 })).to.equal('RSA 1024 bits')
    expect(name('ed25519')).to.equal('Ed25519')
    expect(name('x25519')).to.equal('x25519')
    expect(keyName(undefined)).to.equal('unknown')
  })
})
