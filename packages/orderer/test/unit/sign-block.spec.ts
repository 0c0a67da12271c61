import { expect } from 'chai'
import { createTestOrganization } from '@heddle/msp/testing'
import {
  blockHeaderBytes,
  blockMetadata,
  buildBlock,
  common,
  create,
  decode,
  encode,
  ordererMetadataValue,
} from '@heddle/proto'
import { signBlock } from '../../src/index.ts'

describe('signBlock', () => {
  const value = ordererMetadataValue(3n)
  const { header } = buildBlock({
    number: 7n,
    previousHash: Buffer.alloc(32, 1),
    envelopes: [Buffer.from('envelope')],
  })
  const block = { header: header!, value }

  it('signs value, identifier header and block header, with the key of the consenter', async () => {
    const org = await createTestOrganization({ mspId: 'OrdererMSP' })
    const signer = await org.identity('orderer', 'orderer')
    const { identifierHeader, signature } = await signBlock(block, 4, signer)
    const { identifier, nonce } = decode(common.IdentifierHeaderSchema, identifierHeader)
    expect([identifier, nonce.length]).to.deep.equal([4, 24])
    const message = Buffer.concat([value, identifierHeader, blockHeaderBytes(header!)])
    expect(signer.verify(message, signature)).to.equal(true)
  })

  it('fits into the metadata of a block as it is', async () => {
    const made = await signBlock(block, 1, { sign: () => Uint8Array.of(1, 2) })
    const [slot] = blockMetadata({ signatures: { value, signatures: [made] } })
    const signatures = [create(common.MetadataSignatureSchema, made)]
    const expected = create(common.MetadataSchema, { value, signatures })
    expect(slot).to.deep.equal(encode(common.MetadataSchema, expected))
  })

  it('takes another nonce for each signature', async () => {
    const sign = async (): Promise<Uint8Array> =>
      (await signBlock(block, 1, { sign: (message) => message })).identifierHeader
    expect(await sign()).not.to.deep.equal(await sign())
  })

  it('rejects with the reason of a signer that fails', async () => {
    const reason = new TypeError('no token in the reader')
    for (const sign of [
      (): never => {
        throw reason
      },
      () => Promise.reject(reason),
    ]) {
      const error = await signBlock(block, 1, { sign }).catch((caught: unknown) => caught)
      expect(error).to.equal(reason)
    }
  })

  it('rejects an id that is no uint32, before it signs', async () => {
    let asked = 0
    const signer = { sign: () => new Uint8Array(asked++) }
    for (const id of [-1, 0.5, 2 ** 32]) {
      const error: unknown = await signBlock(block, id, signer).catch((caught: unknown) => caught)
      expect(error, `id ${id}`).to.have.property('code', 'PROTO_INVALID_MESSAGE')
    }
    expect(asked).to.equal(0)
  })
})
