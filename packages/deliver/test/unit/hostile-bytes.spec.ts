import { expect } from 'chai'
import fc from 'fast-check'
import { type Received, common, decode, encode, receive } from '@heddle/proto'
import { decodeDeliverResponse } from '../../src/deliver-response.ts'
import { BlockError, createBlockVerifier } from '../../src/index.ts'
import { recorded } from '../recorded.ts'

const runs = { numRuns: 300, seed: 20_261_121 }

describe('bytes of a stranger', () => {
  it('never make the decoding of a response throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        decodeDeliverResponse(bytes)
      }),
      runs,
    )
  })

  it('give nothing but a BlockError when any byte of a block is changed', async function () {
    this.timeout(30_000)
    const [genesis, block] = recorded('bft-v3.1.5')
    const options = { channelId: 'ch1', configBlock: genesis!.message }
    const verifier = createBlockVerifier(options)
    const changed = fc.tuple(fc.nat(block!.bytes.length - 1), fc.integer({ min: 1, max: 255 }))
    await fc.assert(
      fc.asyncProperty(changed, async ([at, by]) => {
        const bytes = Uint8Array.from(block!.bytes)
        bytes[at] = bytes[at]! ^ by
        let spoilt: Received<common.Block>
        try {
          spoilt = receive(common.BlockSchema, bytes)
        } catch {
          return
        }
        const error = await verifier.verify(spoilt).catch((reason: unknown) => reason)
        if (error !== undefined) expect(error).to.be.instanceOf(BlockError)
        else expect(protectedParts(spoilt)).to.deep.equal(protectedParts(block!))
      }),
      { ...runs, numRuns: 500 },
    )
  })
})

/** What the signatures vouch for: with 3 of 4 needed, one signature may be spoilt. */
function protectedParts({ message }: Received<common.Block>): unknown {
  const slot = decode(common.MetadataSchema, message.metadata!.metadata[0]!)
  return {
    header: encode(common.BlockHeaderSchema, message.header!).toString('hex'),
    data: message.data!.data.map((bytes) => Buffer.from(bytes).toString('hex')),
    value: Buffer.from(slot.value).toString('hex'),
  }
}
