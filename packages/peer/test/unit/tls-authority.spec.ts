import { expect } from 'chai'
import { createTestOrganization } from '@heddle/msp/testing'
import { isVouchedFor } from '../../src/node/tls-authority.ts'

describe('a TLS certificate and the authorities of an organisation', () => {
  it('belong together when one of them issued it, at once or by way of others in the chain', async () => {
    const own = await createTestOrganization({ mspId: 'Org1MSP' })
    const other = await createTestOrganization({ mspId: 'Org2MSP' })
    const [root, foreign] = [own.tlsCa.certificate, other.tlsCa.certificate]
    const { certificate } = await own.tls('peer0')
    const between = await own.tlsIntermediate()
    const below = (await between.tls('peer0')).certificate

    expect(isVouchedFor(certificate, [foreign, root]), 'the root').to.equal(true)
    expect(isVouchedFor(below, [between.certificate]), 'the intermediate alone').to.equal(true)
    expect(isVouchedFor(below + between.certificate, [root]), 'by way of it').to.equal(true)
    expect(isVouchedFor(certificate, [certificate]), 'itself').to.equal(true)

    expect(isVouchedFor(certificate, [foreign]), 'another organisation').to.equal(false)
    expect(isVouchedFor(certificate + foreign, [foreign]), 'not by way of it').to.equal(false)
    expect(isVouchedFor(below, [root]), 'without what is between').to.equal(false)
    expect(isVouchedFor(certificate, []), 'none').to.equal(false)
  })
})
