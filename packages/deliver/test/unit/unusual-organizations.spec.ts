import { expect } from 'chai'
import { channelConfigOf, createGenesisBlock } from '@heddle/channel'
import { createTestOrganization } from '@heddle/msp/testing'
import { type common, create, encode, msp } from '@heddle/proto'
import { endpointsOf } from '../../src/config-endpoints.ts'

// Kind: what need not be understood makes everything unusable. One organisation that we cannot judge
// must not keep the others' blocks from being read.

describe('the configuration of a channel with an organisation that is not supported', () => {
  // `epoch` stands where an X.509 MSP has its revocation lists: it must not be read as one.
  const idemix = create(msp.MSPConfigSchema, {
    type: 1,
    config: encode(
      msp.IdemixMSPConfigSchema,
      create(msp.IdemixMSPConfigSchema, { name: 'IdemixMSP', epoch: 7n, ipk: Buffer.of(1) }),
    ),
  })

  async function genesis(where: 'ordererOrgs' | 'applicationOrgs'): Promise<common.Block> {
    const org = await createTestOrganization({ mspId: 'Org1MSP' })
    const orderer = await org.identity('orderer', 'orderer')
    const own = { name: 'Org1', mspId: 'Org1MSP', msp: org.msp.toConfig() }
    const other = { name: 'Idemix', mspId: 'IdemixMSP', msp: idemix, endpoints: ['idemix:7050'] }
    return createGenesisBlock({
      channelId: 'ch',
      timestamp: new Date(0),
      nonce: Buffer.alloc(24, 1),
      ordererOrgs: [{ ...own, endpoints: ['orderer:7050'] }],
      applicationOrgs: [own],
      [where]: [{ ...own, endpoints: ['orderer:7050'] }, other],
      consenters: [{ id: 1, mspId: 'Org1MSP', identity: orderer.idBytes }],
      batchSize: { maxMessageCount: 1, absoluteMaxBytes: 1024, preferredMaxBytes: 1024 },
      batchTimeout: '1s',
      consensusMetadata: new Uint8Array(),
    })
  }

  for (const where of ['applicationOrgs', 'ordererOrgs'] as const) {
    it(`is read, and names it (${where})`, async () => {
      const config = channelConfigOf(await genesis(where))
      const { endpoints, unusableEndpoints } = endpointsOf(config)
      expect([...config.rules.msps.unsupported.keys()]).to.deep.equal(['IdemixMSP'])
      const own = endpoints.find(({ address }) => address === 'orderer:7050')
      expect(own?.roots).to.have.length(1)
      expect(endpoints).to.have.length(1)
      const theirs = '"idemix:7050" of organisation "Idemix" has no TLS roots to verify it with'
      expect(unusableEndpoints).to.deep.equal(where === 'ordererOrgs' ? [theirs] : [])
    })
  }
})
