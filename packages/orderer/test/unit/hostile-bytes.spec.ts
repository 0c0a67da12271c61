import { expect } from 'chai'
import fc from 'fast-check'
import { common, create, decode, encode } from '@heddle/proto'
import { blockResponse, headerWithSignatures } from '../../src/block-wire.ts'
import { OrdererError } from '../../src/index.ts'
import { decodeRequest } from '../../src/request.ts'

const runs = { numRuns: 300, seed: 20_261_121 }
const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })

describe('bytes of a stranger', () => {
  it('give nothing but an OrdererError when they are no request', () => {
    const parts = fc.tuple(bytes(40), bytes(40), bytes(40))
    fc.assert(
      fc.property(parts, ([raw, channelHeader, signatureHeader]) => {
        const header = { channelHeader, signatureHeader }
        const payload = encode(common.PayloadSchema, create(common.PayloadSchema, { header }))
        const envelope = encode(common.EnvelopeSchema, create(common.EnvelopeSchema, { payload }))
        for (const request of [raw, envelope]) {
          try {
            decodeRequest(request)
          } catch (error) {
            expect(error).to.be.instanceOf(OrdererError)
          }
        }
      }),
      runs,
    )
  })
})

describe('headerWithSignatures', () => {
  it('gives the block without its transactions and everything else as it is', () => {
    const block = fc.record({
      number: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      data: fc.array(bytes(300), { minLength: 2, maxLength: 4 }),
      metadata: fc.array(bytes(300), { maxLength: 6 }),
    })
    fc.assert(
      fc.property(block, ({ number, data, metadata }) => {
        const message = create(common.BlockSchema, {
          header: { number },
          data: { data },
          metadata: { metadata },
        })
        const stripped = headerWithSignatures(encode(common.BlockSchema, message))
        delete message.data
        expect(Buffer.from(stripped)).to.deep.equal(encode(common.BlockSchema, message))
        expect(decode(common.BlockSchema, stripped).data).to.equal(undefined)
      }),
      runs,
    )
  })

  it('frames blocks of any length as the encoder does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40_000 }), (length) => {
        const framed = blockResponse(new Uint8Array(length))
        const metadata = encode(
          common.MetadataSignatureSchema,
          create(common.MetadataSignatureSchema, { signature: new Uint8Array(length) }),
        )
        // The same field number and kind: so the same bytes, but for the empty field left out.
        if (length > 0) expect(framed.equals(metadata)).to.equal(true)
        else expect([...framed]).to.deep.equal([0x12, 0])
      }),
      { ...runs, numRuns: 100 },
    )
  })
})
