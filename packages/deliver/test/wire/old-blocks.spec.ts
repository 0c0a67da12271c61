import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import { MemoryChain } from '@heddle/orderer/testing'
import {
  type Received,
  blockDataHash,
  blockHeaderBytes,
  blockHeaderHash,
  common,
  create,
  decode,
  encode,
  receive,
} from '@heddle/proto'
import { type Endpoint, createBlockVerifier, lastConfigOf, pullBlocks } from '../../src/index.ts'
import { channel, channelId, honest, impatient, plainEnvelope, stopAll } from '../network.ts'

type Block = Received<common.Block>

/** How a release of Fabric wrote the metadata of a block. */
interface Style {
  readonly slots: number
  /** Number of the last configuration, in slot 1 or in the signed value of slot 0, or nowhere. */
  readonly lastConfig?: bigint
  readonly signedValue?: bigint
}

/** v1.0 to v1.4.0: nothing in the signed value, the last configuration in slot 1. */
const v1: Style = { slots: 4, lastConfig: 0n }

const metadata = (value: Uint8Array): Uint8Array =>
  encode(common.MetadataSchema, create(common.MetadataSchema, { value }))

/** A block as an orderer of a crash-tolerant channel signs it: by certificate. */
async function blockAfter(previous: common.Block, style: Style): Promise<Block> {
  const { signers } = await channel()
  const { number } = previous.header!
  const data = [plainEnvelope(`in block ${String(number + 1n)}`)]
  const header = create(common.BlockHeaderSchema, {
    number: number + 1n,
    previousHash: blockHeaderHash(previous.header!),
    dataHash: blockDataHash(data),
  })
  const { signedValue: index, lastConfig } = style
  const value =
    index === undefined
      ? new Uint8Array()
      : encode(
          common.OrdererBlockMetadataSchema,
          create(common.OrdererBlockMetadataSchema, { lastConfig: { index } }),
        )
  const signatures = [...signers.values()].map((signer) => {
    const signatureHeader = encode(
      common.SignatureHeaderSchema,
      create(common.SignatureHeaderSchema, {
        creator: signer.serialized,
        nonce: Buffer.alloc(24, 1),
      }),
    )
    const signed = Buffer.concat([value, signatureHeader, blockHeaderBytes(header)])
    return { signatureHeader, signature: signer.sign(signed) }
  })
  const slots = [
    encode(common.MetadataSchema, create(common.MetadataSchema, { value, signatures })),
    lastConfig === undefined
      ? new Uint8Array()
      : metadata(
          encode(common.LastConfigSchema, create(common.LastConfigSchema, { index: lastConfig })),
        ),
  ]
  while (slots.length < style.slots) slots.push(new Uint8Array())
  const block = create(common.BlockSchema, {
    header,
    data: { data },
    metadata: { metadata: slots.slice(0, style.slots) },
  })
  return receive(common.BlockSchema, encode(common.BlockSchema, block))
}

describe('blocks of older releases of Fabric', function () {
  this.timeout(20_000)
  afterEach(stopAll)

  async function verdict(style: Style): Promise<string> {
    const { genesis } = await channel()
    const configBlock = decode(common.BlockSchema, genesis)
    const verifier = createBlockVerifier({ channelId, configBlock })
    const block = await blockAfter(configBlock, style)
    return verifier.verify(block).then(
      () => 'verified',
      (error: unknown) => (error as { code: string }).code,
    )
  }

  const styles: [string, Style, string][] = [
    ['4 slots, the last configuration in slot 1 (v1.0 to v1.4.0)', v1, 'verified'],
    ['3 slots, the last configuration in slot 1', { ...v1, slots: 3 }, 'verified'],
    ['5 slots, the last configuration in slot 1', { ...v1, slots: 5 }, 'verified'],
    [
      '4 slots, the last configuration in both (v1.4.1 to v1.4.12)',
      { slots: 4, lastConfig: 0n, signedValue: 0n },
      'verified',
    ],
    ['4 slots, slot 1 empty, which is read as 0', { slots: 4 }, 'verified'],
    ['2 slots', { ...v1, slots: 2 }, 'DELIVER_BLOCK_METADATA'],
    ['another configuration in slot 1', { ...v1, lastConfig: 1n }, 'DELIVER_LAST_CONFIG'],
    [
      'another configuration in the signed value, whatever slot 1 says',
      { ...v1, signedValue: 1n },
      'DELIVER_LAST_CONFIG',
    ],
    [
      'the right configuration in the signed value, whatever slot 1 says',
      { slots: 5, lastConfig: 7n, signedValue: 0n },
      'verified',
    ],
  ]
  for (const [what, style, expected] of styles) {
    it(`with ${what}: ${expected}`, async () => {
      expect(await verdict(style)).to.equal(expected)
    })
  }

  it('name their configuration in slot 1 where the signed value is empty', async () => {
    const { genesis } = await channel()
    const block = await blockAfter(decode(common.BlockSchema, genesis), {
      slots: 4,
      lastConfig: 9n,
    })
    expect(lastConfigOf(block)).to.equal(9n)
    const without = receive(common.BlockSchema, block.bytes)
    without.message.metadata!.metadata.splice(1)
    expect(() => lastConfigOf(without))
      .to.throw()
      .with.property('code', 'DELIVER_BLOCK_METADATA')
  })

  for (const from of [0n, 1n, 2n, 3n]) {
    it(`are pulled from block ${String(from)} on, with nothing but the genesis block`, async () => {
      const { genesis, client, clientTls } = await channel()
      const blocks = [genesis]
      let last = decode(common.BlockSchema, genesis)
      for (let added = 0; added < 3; added++) {
        const next = await blockAfter(last, v1)
        blocks.push(next.bytes)
        last = next.message
      }
      const { endpoint } = await honest({ chain: new MemoryChain({ channelId, blocks }) })
      const numbers: bigint[] = []
      const endpoints: Endpoint[] = [endpoint]
      const options = { channelId, configBlock: genesis, endpoints, tls: clientTls, from }
      const deps = { signer: client, clock: systemClock }
      for await (const { message } of pullBlocks(deps, {
        ...options,
        maxFailures: 1,
        ...impatient,
      })) {
        numbers.push(message.header!.number)
      }
      expect(numbers).to.deep.equal([0n, 1n, 2n, 3n].slice(Number(from)))
    })
  }
})
