import { expect } from 'chai'
import { type ChannelConfig, channelConfigOf } from '@heddle/channel'
import { type Identity, MspManager, type Policy } from '@heddle/msp'
import { type TestOrganization, createTestOrganization } from '@heddle/msp/testing'
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
import { checkSignatures } from '../../src/block-check.ts'
import {
  BlockVerifier,
  beginCheck,
  genesisPosition,
  trustedConfig,
} from '../../src/block-verifier.ts'
import { BlockError, createBlockVerifier, lastConfigOf } from '../../src/index.ts'
import { changedConfig } from '../config-block.ts'
import { recorded } from '../recorded.ts'

type Block = Received<common.Block>

async function errorOf(action: () => unknown): Promise<BlockError> {
  try {
    await action()
  } catch (error) {
    expect(error).to.be.instanceOf(BlockError)
    return error as BlockError
  }
  throw new Error('nothing was refused')
}

const lineOf = async (action: () => unknown): Promise<string> => {
  const { code, message } = await errorOf(action)
  return `${code}: ${message}`
}

function changed(block: Block, change: (block: common.Block) => unknown): Block {
  const copy = decode(common.BlockSchema, block.bytes)
  change(copy)
  return receive(common.BlockSchema, encode(common.BlockSchema, copy))
}

const received = (block: common.Block): Block =>
  receive(common.BlockSchema, encode(common.BlockSchema, block))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a refusal of a block says what is wrong', function () {
  this.timeout(30_000) // a loaded machine takes its time
  const blocks = recorded('bft-v3.1.5')
  const genesis = blocks[0]!.message
  const right = blocks[5]!
  const header = right.message.header!
  const at5 = (): BlockVerifier =>
    createBlockVerifier({
      channelId: 'ch1',
      configBlock: genesis,
      lastBlock: blocks[4]!.message,
    })
  const refusal = (change: (block: common.Block) => unknown): Promise<string> =>
    lineOf(() => at5().verify(changed(right, change)))

  it('about its place', async () => {
    expect(await refusal((block) => delete block.header)).to.equal(
      'DELIVER_BLOCK_MALFORMED: a block without a header',
    )
    expect(await refusal((block) => (block.header!.number = 7n))).to.equal(
      'DELIVER_BLOCK_NUMBER: got block 7, expected block 5',
    )
    expect(await refusal((block) => (block.header!.previousHash = Uint8Array.of(1, 255)))).to.equal(
      `DELIVER_PREVIOUS_HASH: block 5 has previous hash 01ff, but the block before it has hash ${hex(header.previousHash)}`,
    )
  })

  it('about its metadata', async () => {
    for (const [slots, change] of [
      [0, (block: common.Block) => delete block.metadata],
      [2, (block: common.Block) => block.metadata!.metadata.splice(2)],
    ] as const) {
      expect(await refusal(change)).to.equal(
        `DELIVER_BLOCK_METADATA: block 5 has ${slots} metadata slots, not 3 or more`,
      )
    }
    await at5().verify(changed(right, (block) => block.metadata!.metadata.splice(3)))
    const many = (slot: common.Metadata): void => {
      slot.signatures = Array.from({ length: 1025 }, () =>
        create(common.MetadataSignatureSchema, {}),
      )
    }
    expect(await refusal((block) => changeSlot0(block, many))).to.equal(
      'DELIVER_BLOCK_METADATA: 1025 signatures on one block; at most 1024 are allowed',
    )
    const spoilt = (slot: common.Metadata): void => {
      slot.signatures[0]!.identifierHeader = Uint8Array.of(255)
    }
    const error = await errorOf(() =>
      at5().verify(changed(right, (block) => changeSlot0(block, spoilt))),
    )
    expect(error).to.include({
      code: 'DELIVER_BLOCK_METADATA',
      message: 'the signatures of block 5 cannot be decoded',
    })
    expect(error.cause).to.be.instanceOf(Error)
  })

  it('about the configuration that it names', async () => {
    const rename = (slot: common.Metadata): void => {
      const value = decode(common.OrdererBlockMetadataSchema, slot.value)
      value.lastConfig!.index = 3n
      slot.value = encode(common.OrdererBlockMetadataSchema, value)
    }
    expect(await refusal((block) => changeSlot0(block, rename))).to.equal(
      'DELIVER_LAST_CONFIG: block 5 names block 3 as its last configuration, but that is block 0',
    )
  })

  it('about its transactions', async () => {
    for (const change of [
      (block: common.Block) => delete block.data,
      (block: common.Block) => (block.data!.data = []),
    ]) {
      expect(await refusal(change)).to.equal(
        'DELIVER_TRANSACTIONS: block 5: it has no transactions',
      )
    }
    const [, second] = right.message.data!.data
    const spoilt: [string, Uint8Array][] = [
      ['is not an envelope', Uint8Array.of(255)],
      ['has no payload', new Uint8Array()],
      ['has no signature', Buffer.from('0a0101', 'hex')],
      ['is not in its canonical encoding', Buffer.concat([second!, Buffer.from('120101', 'hex')])],
    ]
    for (const [fault, bytes] of spoilt) {
      expect(await refusal(({ data }) => (data!.data[1] = bytes))).to.equal(
        `DELIVER_TRANSACTIONS: block 5: transaction 1 ${fault}`,
      )
    }
    const one = right.message.data!.data.slice(0, 1)
    expect(await refusal(({ data }) => (data!.data = one))).to.equal(
      `DELIVER_DATA_HASH: block 5 has data hash ${hex(header.dataHash)}, but its data has hash ${hex(blockDataHash(one))}`,
    )
  })

  it('about its signatures', async () => {
    const only = (slot: common.Metadata): unknown => slot.signatures.splice(1)
    expect(await refusal((block) => changeSlot0(block, only))).to.match(
      /^DELIVER_SIGNATURES: block 5 has 1 good signatures: .+/,
    )
    const { config } = at5()
    const rules = { ...config.rules, policy: () => undefined }
    const withoutPolicy = checkSignatures(right.message, header, { ...config, rules })
    expect(await lineOf(() => withoutPolicy)).to.match(
      /^DELIVER_SIGNATURES: block 5 has \d good signatures: there is no policy for block signatures$/,
    )
  })

  it('about the configuration that it brings', async () => {
    const position = createBlockVerifier({
      channelId: 'ch1',
      configBlock: genesis,
      lastBlock: blocks[12]!.message,
    }).position
    const other = { ...position, config: { ...position.config, channelId: 'other' } }
    expect(await lineOf(() => new BlockVerifier(other).verify(blocks[13]!))).to.equal(
      'DELIVER_CONFIG: a configuration of channel "ch1", not "other"',
    )
    expect(await lineOf(() => new BlockVerifier(other).advance(blocks[13]!))).to.equal(
      'DELIVER_CONFIG: a configuration of channel "ch1", not "other"',
    )
  })

  it('about what a verifier begins with', async () => {
    const begin = (config: number, last: number, channelId = 'ch1') =>
      lineOf(() =>
        createBlockVerifier({
          channelId,
          configBlock: blocks[config]!.message,
          lastBlock: blocks[last]!.message,
        }),
      )
    expect(await begin(0, 0, 'other')).to.equal(
      'DELIVER_CONFIG: the configuration block is of channel "ch1", not "other"',
    )
    expect(await begin(13, 12)).to.equal(
      'DELIVER_CONFIG: block 12 lies before its configuration block 13',
    )
    expect(await begin(0, 13)).to.equal(
      'DELIVER_CONFIG: block 13 is not under the configuration of block 0',
    )
    const headless = changed(blocks[0]!, (block) => delete block.header).message
    for (const options of [
      { channelId: 'ch1', configBlock: headless },
      { channelId: 'ch1', configBlock: genesis, lastBlock: headless },
    ]) {
      expect(await lineOf(() => createBlockVerifier(options))).to.equal(
        'DELIVER_BLOCK_MALFORMED: a block without a header',
      )
    }
  })
})

function changeSlot0({ metadata }: common.Block, change: (slot: common.Metadata) => unknown): void {
  const slot = decode(common.MetadataSchema, metadata!.metadata[0]!)
  change(slot)
  metadata!.metadata[0] = encode(common.MetadataSchema, slot)
}

describe('block 0', () => {
  const [genesis, next] = recorded('bft-v3.1.5')
  const config = trustedConfig('ch1', genesis!.message)
  const position = genesisPosition(genesis!.message, config)

  it('is taken without signatures when it is the trusted one, and the next one follows', async () => {
    const verifier = new BlockVerifier(position)
    expect(verifier.next).to.equal(0n)
    await verifier.verify(genesis!)
    verifier.advance(genesis!)
    expect(verifier.next).to.equal(1n)
    await verifier.verify(next!)
    const { block, after } = beginCheck(position, genesis!)
    expect(block).to.equal(genesis)
    expect((await after).next).to.equal(1n)
    expect((await after).genesisHash).to.equal(undefined)
  })

  it('is taken whatever its metadata say, which nobody vouches for', async () => {
    const old = create(common.LastConfigSchema, { index: 5n })
    const slot = create(common.MetadataSchema, { value: encode(common.LastConfigSchema, old) })
    const block = changed(genesis!, ({ metadata }) => {
      metadata!.metadata = [new Uint8Array(), encode(common.MetadataSchema, slot), new Uint8Array()]
    })
    await new BlockVerifier(position).verify(block)
    const begun = createBlockVerifier({ channelId: 'ch1', configBlock: block.message })
    expect(begun.next).to.equal(1n)
  })

  it('is refused when it is another, however alike', async () => {
    const block = changedConfig(genesis!.message, ({ envelope }) => {
      envelope.config!.sequence += 1n
    })
    block.header!.dataHash = blockDataHash(block.data!.data)
    const [expected, actual] = [genesis!.message, block].map((each) =>
      hex(blockHeaderHash(each.header!)),
    )
    expect(await lineOf(() => beginCheck(position, received(block)))).to.equal(
      `DELIVER_GENESIS: block 0 has hash ${actual}, not the trusted hash ${expected}`,
    )
  })
})

describe('lastConfigOf', () => {
  const metadata = (value: Uint8Array): Uint8Array =>
    encode(common.MetadataSchema, create(common.MetadataSchema, { value }))
  const orderer = (init: { index: bigint } | undefined): Uint8Array =>
    metadata(
      encode(
        common.OrdererBlockMetadataSchema,
        create(common.OrdererBlockMetadataSchema, {
          ...(init && { lastConfig: init }),
          consenterMetadata: Uint8Array.of(1),
        }),
      ),
    )
  const old = (index: bigint): Uint8Array =>
    metadata(encode(common.LastConfigSchema, create(common.LastConfigSchema, { index })))
  const of = (slots: Uint8Array[] | undefined): bigint =>
    lastConfigOf({
      message: create(common.BlockSchema, slots && { metadata: { metadata: slots } }),
    })

  it('believes the signed value, and slot 1 only where that is empty', () => {
    expect(of([orderer({ index: 5n }), old(4n)])).to.equal(5n)
    expect(of([metadata(new Uint8Array()), old(4n)])).to.equal(4n)
    expect(of([new Uint8Array(), old(0n)])).to.equal(0n)
  })

  it('refuses a block that does not say', async () => {
    const message = 'the block does not name its configuration block'
    for (const slots of [undefined, [], [new Uint8Array()], [orderer(undefined), old(4n)]]) {
      const error = await errorOf(() => of(slots))
      expect(error).to.include({ code: 'DELIVER_BLOCK_METADATA', message, cause: undefined })
    }
    for (const slots of [[Uint8Array.of(255)], [new Uint8Array(), Uint8Array.of(255)]]) {
      const error = await errorOf(() => of(slots))
      expect(error).to.include({ code: 'DELIVER_BLOCK_METADATA', message })
      expect(error.cause).to.be.instanceOf(Error)
    }
  })
})

describe('the signer of a signature on a block', () => {
  const number = 3n
  const header = create(common.BlockHeaderSchema, { number, dataHash: Uint8Array.of(1) })
  const value = Buffer.from('value')
  let org: TestOrganization
  let base: ChannelConfig

  before(async () => {
    org = await createTestOrganization({ mspId: 'Org1MSP' })
    base = channelConfigOf(recorded('bft-v3.1.5')[0]!.message)
  })

  /** Who is taken to have signed: the signature is made over `signed`, by one whose id is `id`. */
  async function signersOf(
    headers: (
      creator: Uint8Array,
    ) => Partial<Record<'signatureHeader' | 'identifierHeader', Uint8Array>>,
    {
      bft,
      id,
      signed,
    }: { bft: boolean; id: number; signed: 'signatureHeader' | 'identifierHeader' },
  ): Promise<number> {
    const signer = await org.identity('orderer', 'orderer')
    const parts = headers(signer.serialized)
    const data = [value, parts[signed] ?? new Uint8Array(), blockHeaderBytes(header)]
    const signature = signer.sign(Buffer.concat(data))
    const slot = create(common.MetadataSchema, { value, signatures: [{ ...parts, signature }] })
    const metadata = { metadata: [encode(common.MetadataSchema, slot)] }
    let seen: readonly Identity[] = []
    const policy: Policy = {
      refusal: (signers) => {
        seen = signers
        return undefined
      },
    }
    const rules = { ...base.rules, msps: new MspManager([org.msp]), policy: () => policy }
    const { mspId, serialized } = signer
    const consenters = new Map([[id, { id, mspId, identity: serialized }]])
    const block = create(common.BlockSchema, { header, metadata })
    await checkSignatures(block, header, { ...base, bft, consenters, rules })
    return seen.length
  }

  const byId = (identifier: number): Uint8Array =>
    encode(common.IdentifierHeaderSchema, create(common.IdentifierHeaderSchema, { identifier }))
  const byCreator = (creator: Uint8Array): Uint8Array =>
    encode(common.SignatureHeaderSchema, create(common.SignatureHeaderSchema, { creator }))

  it('is the consenter with the id, on a channel that lets signatures name one', async () => {
    const headers = () => ({ identifierHeader: byId(7) })
    expect(await signersOf(headers, { bft: true, id: 7, signed: 'identifierHeader' })).to.equal(1)
    expect(await signersOf(headers, { bft: true, id: 8, signed: 'identifierHeader' })).to.equal(0)
    expect(await signersOf(headers, { bft: false, id: 7, signed: 'identifierHeader' })).to.equal(0)
  })

  it('is the creator, on any channel, also where an id stands beside it', async () => {
    for (const bft of [true, false]) {
      const alone = (creator: Uint8Array) => ({ signatureHeader: byCreator(creator) })
      expect(await signersOf(alone, { bft, id: 7, signed: 'signatureHeader' })).to.equal(1)
      const both = (creator: Uint8Array) => ({ ...alone(creator), identifierHeader: byId(7) })
      expect(await signersOf(both, { bft, id: 7, signed: 'signatureHeader' })).to.equal(1)
      expect(await signersOf(both, { bft, id: 7, signed: 'identifierHeader' })).to.equal(0)
    }
  })

  it('is nobody where neither stands, not even the consenter with id 0', async () => {
    const none = () => ({})
    expect(await signersOf(none, { bft: true, id: 0, signed: 'identifierHeader' })).to.equal(0)
  })
})
