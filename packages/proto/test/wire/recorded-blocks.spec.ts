import { expect } from 'chai'
import { blockDataHash, blockHeaderHash, common, decode, encode, msp } from '../../src/index.ts'
import { blockFiles, fixture, manifest, networks } from '../support/fixtures.ts'
import { compact, unpack } from '../support/inside.ts'
import type { TransactionFacts } from '../support/fixtures.ts'

/** What the manifest tells about a transaction, from our decoding. */
function facts(transaction: Uint8Array, validationCode: number): TransactionFacts {
  const envelope = decode(common.EnvelopeSchema, transaction)
  const { header } = decode(common.PayloadSchema, envelope.payload)
  const channelHeader = decode(common.ChannelHeaderSchema, header!.channelHeader)
  const { creator } = decode(common.SignatureHeaderSchema, header!.signatureHeader)
  const { mspid } = decode(msp.SerializedIdentitySchema, creator)
  return { type: channelHeader.type, txId: channelHeader.txId, creator: mspid, validationCode }
}

for (const network of networks) {
  const blocks = manifest(network)

  describe(`blocks recorded from fabric ${network}`, () => {
    for (const path of blockFiles(network)) {
      it(`${path} decodes to what the manifest tells, and encodes to the same bytes`, () => {
        const bytes = fixture(path)
        const block = decode(common.BlockSchema, bytes)
        const data = block.data!.data
        const expected = blocks[Number(path.slice(-9, -6))]!
        expect(Number(block.header!.number), 'number').to.equal(expected.number)
        expect(blockHeaderHash(block.header!).toString('hex'), 'hash').to.equal(expected.hash)
        expect(blockDataHash(data).toString('hex'), 'data hash').to.equal(expected.dataHash)
        expect(Buffer.from(block.header!.dataHash).toString('hex')).to.equal(expected.dataHash)

        const codes = block.metadata!.metadata[common.BlockMetadataIndex.TRANSACTIONS_FILTER]!
        const kept = path.includes('/peer/')
        expect(codes, 'an orderer leaves the codes empty').to.have.length(kept ? data.length : 0)
        const known = expected.transactions.map((facts) => facts.validationCode)
        const found = data.map((transaction, i) => facts(transaction, codes[i] ?? known[i]!))
        expect(found, 'transactions').to.deep.equal(expected.transactions)

        expect(encode(common.BlockSchema, block).equals(bytes), 'same bytes').to.equal(true)
        const { parts, again } = unpack(common.BlockSchema, bytes)
        for (const [i, part] of parts.entries()) {
          const same = again[i]!.equals(part.bytes)
          expect(same, `same bytes of ${part.schema.typeName}, part ${String(i)}`).to.equal(true)
        }
      })
    }

    for (const name of ['000', '001', '003', '004', '015']) {
      it(`mean to us what configtxlator prints of block ${name}`, () => {
        const { json } = unpack(common.BlockSchema, fixture(`${network}/peer/${name}.block`))
        const printed: unknown = JSON.parse(fixture(`${network}/decoded/${name}.json`).toString())
        expect(compact(json)).to.deep.equal(compact(printed))
      })
    }

    it('link each block to the one before', () => {
      const headers = blockFiles(network)
        .filter((path) => path.includes('/orderer/'))
        .map((path) => decode(common.BlockSchema, fixture(path)).header!)
      expect(headers).to.have.length(blocks.length)
      for (const [i, header] of headers.entries()) {
        const before = headers[i - 1]
        const expected = before ? blockHeaderHash(before).toString('hex') : ''
        const note = `previous hash of block ${String(i)}`
        expect(Buffer.from(header.previousHash).toString('hex'), note).to.equal(expected)
      }
    })

    it('begin with the block that configtxgen wrote', () => {
      const written = decode(common.BlockSchema, fixture(`${network}/genesis.block`))
      expect(blockHeaderHash(written.header!).toString('hex')).to.equal(blocks[0]!.hash)
      expect(blockDataHash(written.data!.data).toString('hex')).to.equal(blocks[0]!.dataHash)
      const bytes = fixture(`${network}/genesis.block`)
      expect(encode(common.BlockSchema, written).equals(bytes)).to.equal(true)
    })
  })
}
