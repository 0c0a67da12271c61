import { expect } from 'chai'
import { type Received, common, create, decode, encode, receive } from '@heddle/proto'
import { trustedConfig } from '../../src/block-verifier.ts'
import { BlockError } from '../../src/index.ts'
import { type Trusted, locate, maxConfigHops } from '../../src/locate.ts'
import { recorded } from '../recorded.ts'

type Block = Received<common.Block>

const blocks = recorded('bft-v3.1.5')

function trusting(number: number): Trusted {
  const block = blocks[number]!.message
  return { block, config: trustedConfig('ch1', block) }
}

/** Block `number` of a liar, which names the block of its last configuration. */
function naming(lastConfig: bigint, number: bigint): Block {
  const block = decode(common.BlockSchema, blocks[0]!.bytes)
  block.header!.number = number
  const value = encode(
    common.OrdererBlockMetadataSchema,
    create(common.OrdererBlockMetadataSchema, { lastConfig: { index: lastConfig } }),
  )
  const slot = create(common.MetadataSchema, { value })
  block.metadata!.metadata[0] = encode(common.MetadataSchema, slot)
  return receive(common.BlockSchema, encode(common.BlockSchema, block))
}

/** What ends the search for the position before block `from`, and how many blocks it took. */
async function refusal(
  trusted: Trusted,
  from: bigint,
  block: (number: bigint) => Block,
): Promise<[line: string, fetched: number]> {
  let fetched = 0
  const fetch = (number: bigint): Promise<Block> => {
    fetched++
    return Promise.resolve(block(number))
  }
  const error: unknown = await locate({ trusted, from }, fetch).catch((reason: unknown) => reason)
  expect(error).to.be.instanceOf(BlockError)
  const { code, message } = error as BlockError
  return [`${code}: ${message}`, fetched]
}

const unusable = (why: string): string =>
  `DELIVER_CONFIG: the trusted configuration cannot be used: ${why}`

describe('the place to begin at in a channel', function () {
  this.timeout(30_000) // a loaded machine takes its time

  it('is found from the genesis block alone, over the configurations in between and no other blocks', async () => {
    for (const { message } of blocks.slice(1)) {
      const { number, previousHash } = message.header!
      let fetched = 0
      const fetch = (wanted: bigint): Promise<Block> => {
        fetched++
        return Promise.resolve(blocks[Number(wanted)]!)
      }
      const found = await locate({ trusted: trusting(0), from: number }, fetch)
      expect(found).to.deep.include({ next: number, previousHash: Buffer.from(previousHash) })
      const configs = [0n, 13n, 22n].filter((config) => config < number)
      expect(found.config.blockNumber).to.equal(configs.at(-1))
      // Of each configuration but the trusted one its block and the one before; and the one before `from`.
      expect(fetched).to.be.at.most(2 * configs.length - 1)
    }
  })

  it('is not before the configuration that is trusted, which is said', async () => {
    for (const from of [0n, 13n]) {
      const [line, fetched] = await refusal(trusting(13), from, () => blocks[0]!)
      expect(line).to.equal(unusable(`block ${from} does not come after its own block, 13`))
      expect(fetched).to.equal(0)
    }
  })

  it('is not behind a block that names a later one as its configuration', async () => {
    const later = (number: bigint): Block => naming(number + 1n, number)
    expect(await refusal(trusting(0), 6n, later)).to.deep.equal([
      unusable('block 5 names a later configuration block'),
      1,
    ])
  })

  it(`is looked for over ${maxConfigHops} configurations and no more, whatever a liar says`, async () => {
    const itself = (number: bigint): Block => naming(number, number)
    const most = BigInt(maxConfigHops)
    const [line, fetched] = await refusal(trusting(0), most + 1n, itself)
    expect([line.split(':')[0], fetched]).to.deep.equal(['DELIVER_PREVIOUS_HASH', maxConfigHops])
    expect(await refusal(trusting(0), most + 2n, itself)).to.deep.equal([
      unusable('too many configurations lie in between'),
      maxConfigHops,
    ])
  })
})
