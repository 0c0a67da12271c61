import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import type { SignedData } from '@heddle/msp'
import { blockHeaderBytes, blockSignaturePreimage, common, decode } from '@heddle/proto'
import { type ChannelConfig, blockQuorum, channelConfigOf } from '../../src/index.ts'
import { lineOf } from '../support/refusals.ts'

const releases = ['raft-v2.5.16', 'bft-v3.1.5'] as const
type Release = (typeof releases)[number]

/** A recorded block; see fixtures/README.md. */
function block(release: Release, number: string): common.Block {
  const url = new URL(`../fixtures/${release}/${number}.block`, import.meta.url)
  return decode(common.BlockSchema, readFileSync(url))
}

/** Who claims to have signed a block: in the CFT form or the BFT form. */
function blockSignatures(one: common.Block, { consenters }: ChannelConfig): SignedData[] {
  const header = blockHeaderBytes(one.header!)
  const { value, signatures } = decode(common.MetadataSchema, one.metadata!.metadata[0]!)
  return signatures.map(({ signatureHeader, identifierHeader, signature }) => {
    if (signatureHeader.length > 0) {
      const { creator } = decode(common.SignatureHeaderSchema, signatureHeader)
      return {
        identity: creator,
        data: blockSignaturePreimage(value, signatureHeader, header),
        signature,
      }
    }
    const { identifier } = decode(common.IdentifierHeaderSchema, identifierHeader)
    const data = blockSignaturePreimage(value, identifierHeader, header)
    return { identity: consenters.get(identifier)!.identity, data, signature }
  })
}

for (const release of releases) {
  describe(`the configuration of a recorded network (${release})`, () => {
    it('names channel, members, consensus and endpoints', () => {
      const config = channelConfigOf(block(release, '000'))
      const isBft = release === 'bft-v3.1.5'
      expect(config).to.include({ channelId: 'ch1', blockNumber: 0n, sequence: 0n, bft: isBft })
      expect(config.rules.msps.mspIds).to.have.members(['OrdererMSP', 'Org1MSP'])
      expect(config.consensus?.type).to.equal(isBft ? 'BFT' : 'etcdraft')
      expect([...config.consenters.keys()]).to.deep.equal(isBft ? [1, 2, 3, 4] : [])
      expect(config.ordererEndpoints).to.have.length(isBft ? 4 : 1)
      for (const { address, organization, tlsRoots } of config.ordererEndpoints) {
        expect(address).to.match(/^[a-z0-9.]+:[0-9]+$/)
        expect(organization).to.equal('OrdererOrg')
        expect(tlsRoots).to.have.length(1)
      }
      expect(channelConfigOf(block(release, '022')).sequence).to.equal(2n)
    })

    it('has the policy that the signatures of its blocks satisfy, one fewer not', () => {
      const genesis = channelConfigOf(block(release, '000'))
      for (const number of ['001', '013', '022', '023']) {
        // Block 22 is a configuration of its own and counts from the next block on.
        const config = number === '023' ? channelConfigOf(block(release, '022')) : genesis
        const signed = blockSignatures(block(release, number), config)
        const judged = (some: SignedData[]): string =>
          lineOf(() => config.rules.evaluate('/Channel/Orderer/BlockValidation', some))
        expect(judged(signed), number).to.equal('taken')
        const needed = config.bft ? blockQuorum(config.consenters.size) : 1
        expect(judged(signed.slice(0, needed - 1)), number).to.match(/^MSP_POLICY_NOT_SATISFIED: /)
      }
    })
  })
}
