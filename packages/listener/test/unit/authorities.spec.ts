import { X509Certificate } from 'node:crypto'
import { createTestOrganization } from '@heddle/msp/testing'
import { expect } from 'chai'
import { Authorities, unknownAuthority } from '../../src/authorities.ts'
import { organizations } from '../support/ports.ts'

const fingerprintOf = (pem: string): string => new X509Certificate(pem).fingerprint256

/** A certificate with the one that came behind it. */
function presented(leaf: string, issuer: string): X509Certificate {
  const value = new X509Certificate(issuer)
  return Object.defineProperty(new X509Certificate(leaf), 'issuerCertificate', { value })
}

describe('Authorities', () => {
  it('tell the clients of one authority from those of another, also when that has taken its name', async () => {
    const { ours, foreign } = await organizations()
    const namesake = await createTestOrganization({ mspId: ours.mspId })
    const all = [namesake, ours, foreign]
    const authorities = new Authorities(all.map(({ tlsCa }) => tlsCa.certificate))
    for (const organization of all) {
      const expected = fingerprintOf(organization.tlsCa.certificate)
      for (const name of ['one', 'two']) {
        const { certificate } = await organization.tls(name)
        expect(authorities.of(new X509Certificate(certificate))).to.equal(expected)
      }
    }
  })

  it('take the uppermost of those that are trusted, or the intermediate one alone', async () => {
    const { ours, foreign } = await organizations()
    const intermediate = await ours.tlsIntermediate()
    const leaf = new X509Certificate((await intermediate.tls('client')).certificate)
    const [root, below] = [ours.tlsCa.certificate, intermediate.certificate]
    const others = foreign.tlsCa.certificate
    expect(new Authorities([others, below, root]).of(leaf)).to.equal(fingerprintOf(root))
    expect(new Authorities([others, below]).of(leaf)).to.equal(fingerprintOf(below))
  })

  it('follow what came with a certificate as far as it has signed, and no further', async () => {
    const { ours } = await organizations()
    const authorities = new Authorities([ours.tlsCa.certificate])
    const intermediate = await ours.tlsIntermediate()
    const namesake = await (await createTestOrganization({ mspId: ours.mspId })).tlsIntermediate()
    const { certificate } = await intermediate.tls('client')
    expect(authorities.of(presented(certificate, intermediate.certificate))).to.equal(
      fingerprintOf(ours.tlsCa.certificate),
    )
    expect(authorities.of(presented(certificate, namesake.certificate))).to.equal(unknownAuthority)
    expect(authorities.of(new X509Certificate(certificate))).to.equal(unknownAuthority)
  })
})
