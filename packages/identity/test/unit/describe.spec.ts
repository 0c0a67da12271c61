import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { create, encode, msp } from '@heddle/proto'
import { describeIdentity } from '../../src/index.ts'

const serialized = (idBytes: Uint8Array): Uint8Array =>
  encode(
    msp.SerializedIdentitySchema,
    create(msp.SerializedIdentitySchema, { mspid: 'SampleOrg', idBytes }),
  )

// The texts are those of fabric v3.1.5 gossip/api/api_test.go (TestPeerIdentityTypeString).
describe('describeIdentity', () => {
  it('says of bytes that are no identity that they are none', () => {
    expect(describeIdentity(Buffer.from('some garbage'))).to.equal(
      'non SerializedIdentity: c29tZSBnYXJiYWdl',
    )
  })

  it('says of an identity without PEM that it has none', () => {
    expect(describeIdentity(serialized(Uint8Array.of(1, 2, 3)))).to.equal(
      'non PEM encoded identity: CglTYW1wbGVPcmcSAwECAw==',
    )
  })

  it('says of PEM without a certificate that there is none in it', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n'
    expect(describeIdentity(serialized(Buffer.from(pem)))).to.equal(
      'non x509 identity: CglTYW1wbGVPcmcSOy0tLS0tQkVHSU4gQ0VSVElGSUNBVEUtLS0tLQpBUUlECi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K',
    )
  })

  it('gives the names of subject and issuer of a certificate, and the MSP id, as JSON', () => {
    const pem = readFileSync(
      new URL('../fixtures/peer0.org1.example.com-cert.pem', import.meta.url),
    )
    expect(describeIdentity(serialized(pem))).to.equal(
      '{"CN":"peer0.org1.example.com","Issuer-CN":"ca.org1.example.com",' +
        '"Issuer-L-ST-C":"[San Francisco]-[]-[US]","Issuer-OU":null,' +
        '"L-ST-C":"[San Francisco]-[]-[US]","MSP":"SampleOrg","OU":["peer"]}',
    )
  })

  it('lists every name there is, and gives an empty one for none', () => {
    const pem = readFileSync(new URL('../fixtures/no-common-name-cert.pem', import.meta.url))
    const place = '[Bern Thun]-[Gasse 1]-[CH]'
    expect(describeIdentity(serialized(pem))).to.equal(
      `{"CN":"","Issuer-CN":"","Issuer-L-ST-C":"${place}","Issuer-OU":["one","two"],` +
        `"L-ST-C":"${place}","MSP":"SampleOrg","OU":["one","two"]}`,
    )
  })

  it('shows only the first 4,096 bytes of what it cannot read', () => {
    const shown = describeIdentity(Buffer.alloc(1_000_000, 0xff))
    expect(shown.length).to.be.lessThan(6_000)
    expect(shown).to.match(/… \(1000000 bytes\)$/)
    expect(describeIdentity(Buffer.alloc(4_096, 0xff))).to.not.contain('…')
  })
})
