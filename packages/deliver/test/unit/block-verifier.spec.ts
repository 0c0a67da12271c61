import { expect } from 'chai'
import {
  type Received,
  blockDataHash,
  blockHeaderHash,
  common,
  create,
  decode,
  encode,
  receive,
} from '@heddle/proto'
import { BlockError, type BlockErrorCode, createBlockVerifier } from '../../src/index.ts'
import { maxBlockSignatures } from '../../src/block-check.ts'
import { BlockVerifier } from '../../src/block-verifier.ts'
import { changedConfig } from '../config-block.ts'
import { type Network, networks, recorded } from '../recorded.ts'

type Block = Received<common.Block>

it('a block verifier refuses an option that it does not know: a check would be left out', () => {
  const [configBlock] = recorded(networks[0]!)
  const mistyped = {
    channelId: 'ch1',
    configBlock: configBlock!.message,
    checkblock: () => undefined,
  }
  expect(() => createBlockVerifier(mistyped))
    .to.throw(/^there is no option checkblock \(did you mean checkBlock\?\)/)
    .with.property('code', 'DELIVER_INVALID_OPTIONS')
})

async function refusal(verifier: BlockVerifier, block: Block): Promise<string> {
  try {
    await verifier.verify(block)
  } catch (error) {
    expect(error).to.be.instanceOf(BlockError)
    return (error as BlockError).code
  }
  return 'accepted'
}

/** A verifier that expects block `next` of the recorded network. */
async function verifierAt(network: Network, next: number): Promise<BlockVerifier> {
  const blocks = recorded(network)
  const verifier = createBlockVerifier({ channelId: 'ch1', configBlock: blocks[0]!.message })
  for (const block of blocks.slice(1, next)) {
    await verifier.verify(block)
    verifier.advance(block)
  }
  return verifier
}

/** Decodes a block afresh, lets `change` at it and encodes it again. */
function changed(block: Block, change: (block: common.Block) => void): Block {
  const copy = decode(common.BlockSchema, block.bytes)
  change(copy)
  return receive(common.BlockSchema, encode(common.BlockSchema, copy))
}

/** Makes the header fit the transactions again, as a forger would. */
function rehashed(block: common.Block): void {
  block.header!.dataHash = blockDataHash(block.data!.data)
}

function withSignatures(
  block: Block,
  change: (signatures: common.MetadataSignature[]) => common.MetadataSignature[],
): Block {
  return changed(block, ({ metadata }) => {
    const slot = decode(common.MetadataSchema, metadata!.metadata[0]!)
    slot.signatures = change(slot.signatures)
    metadata!.metadata[0] = encode(common.MetadataSchema, slot)
  })
}

/** A configuration block whose channel has one capability, this one. */
function withCapability(block: common.Block, name: string): common.Block {
  const value = create(common.CapabilitiesSchema, { capabilities: { [name]: {} } })
  return changedConfig(block, ({ channel }) => {
    channel.values['Capabilities']!.value = encode(common.CapabilitiesSchema, value)
  })
}

describe('BlockVerifier', function () {
  this.timeout(30_000) // a loaded machine takes its time

  for (const network of networks) {
    describe(`on the recorded network ${network}`, () => {
      it('accepts every block in order, across changes of configuration', async () => {
        const blocks = recorded(network)
        const verifier = createBlockVerifier({ channelId: 'ch1', configBlock: blocks[0]!.message })
        for (const block of blocks.slice(1)) {
          expect(await refusal(verifier, block), `block ${String(verifier.next)}`).to.equal(
            'accepted',
          )
          verifier.advance(block)
        }
        expect(verifier.next).to.equal(BigInt(blocks.length))
        expect(verifier.config.blockNumber).to.equal(22n)
      })

      it('begins behind a block only with the configuration that is in force there', () => {
        const blocks = recorded(network)
        const begin = (config: number, last: number) => (): BlockVerifier =>
          createBlockVerifier({
            channelId: 'ch1',
            configBlock: blocks[config]!.message,
            lastBlock: blocks[last]!.message,
          })
        for (const last of [0, 12]) expect(begin(0, last)).not.to.throw()
        for (const last of [22, 23]) expect(begin(22, last)).not.to.throw()
        for (const [config, last] of [
          [0, 13],
          [0, 22],
          [13, 22],
          [13, 23],
        ] as const) {
          expect(begin(config, last)).to.throw().with.property('code', 'DELIVER_CONFIG')
        }
      })

      const tamperings: [string, BlockErrorCode, (block: Block) => Block][] = [
        [
          'without a header',
          'DELIVER_BLOCK_MALFORMED',
          (block) => changed(block, (copy) => delete copy.header),
        ],
        [
          'with another number',
          'DELIVER_BLOCK_NUMBER',
          (block) => changed(block, (copy) => (copy.header!.number += 1n)),
        ],
        [
          'with another previous hash',
          'DELIVER_PREVIOUS_HASH',
          (block) => changed(block, (copy) => (copy.header!.previousHash = new Uint8Array(32))),
        ],
        [
          'without metadata',
          'DELIVER_BLOCK_METADATA',
          (block) => changed(block, (copy) => delete copy.metadata),
        ],
        [
          'with two metadata slots',
          'DELIVER_BLOCK_METADATA',
          (block) => changed(block, (copy) => copy.metadata!.metadata.splice(2)),
        ],
        [
          'that names another configuration, in the value that is signed',
          'DELIVER_LAST_CONFIG',
          (block) =>
            changed(block, (copy) => {
              const slot = decode(common.MetadataSchema, copy.metadata!.metadata[0]!)
              const value = decode(common.OrdererBlockMetadataSchema, slot.value)
              value.lastConfig!.index++
              slot.value = encode(common.OrdererBlockMetadataSchema, value)
              copy.metadata!.metadata[0] = encode(common.MetadataSchema, slot)
            }),
        ],
        [
          'with an undecodable slot of signatures',
          'DELIVER_BLOCK_METADATA',
          (block) =>
            changed(block, (copy) => (copy.metadata!.metadata[0] = Uint8Array.of(0xff, 0xff))),
        ],
        [
          'without transactions',
          'DELIVER_TRANSACTIONS',
          (block) => changed(block, (copy) => delete copy.data),
        ],
        [
          'with a transaction left out',
          'DELIVER_DATA_HASH',
          (block) => changed(block, (copy) => copy.data!.data.pop()),
        ],
        [
          'with two transactions exchanged',
          'DELIVER_DATA_HASH',
          (block) => changed(block, (copy) => copy.data!.data.reverse()),
        ],
        [
          'with a transaction that is none, even if its hash is right',
          'DELIVER_TRANSACTIONS',
          (block) =>
            changed(block, (copy) => {
              copy.data!.data[0] = Uint8Array.of(0xff)
              rehashed(copy)
            }),
        ],
        [
          'with a transaction left out and the hash made to fit',
          'DELIVER_SIGNATURES',
          (block) =>
            changed(block, (copy) => {
              copy.data!.data.pop()
              rehashed(copy)
            }),
        ],
        ['without signatures', 'DELIVER_SIGNATURES', (block) => withSignatures(block, () => [])],
        [
          'with the signatures of another block',
          'DELIVER_SIGNATURES',
          (block) =>
            withSignatures(
              block,
              () =>
                decode(common.MetadataSchema, recorded(network)[4]!.message.metadata!.metadata[0]!)
                  .signatures,
            ),
        ],
        [
          'with another signed value',
          'DELIVER_SIGNATURES',
          (block) =>
            changed(block, ({ metadata }) => {
              const slot = decode(common.MetadataSchema, metadata!.metadata[0]!)
              slot.value = Buffer.concat([slot.value, Uint8Array.of(0x18, 1)])
              metadata!.metadata[0] = encode(common.MetadataSchema, slot)
            }),
        ],
      ]
      for (const [what, code, tamper] of tamperings) {
        it(`refuses a block ${what} with ${code}`, async () => {
          const verifier = await verifierAt(network, 5)
          expect(await refusal(verifier, tamper(recorded(network)[5]!))).to.equal(code)
        })
      }

      const envelopes: [string, (envelope: Uint8Array) => Uint8Array][] = [
        [
          'without a payload',
          (bytes) => reencoded(bytes, (envelope) => (envelope.payload = new Uint8Array())),
        ],
        [
          'without a signature',
          (bytes) => reencoded(bytes, (envelope) => (envelope.signature = new Uint8Array())),
        ],
        [
          'with an unknown field in front',
          (bytes) => Buffer.concat([Buffer.from('1801', 'hex'), bytes]),
        ],
        [
          'with a field given twice',
          (bytes) => Buffer.concat([bytes, Buffer.from('120101', 'hex')]),
        ],
      ]
      for (const [what, malform] of envelopes) {
        it(`refuses a transaction ${what} whatever its hash`, async () => {
          const block = changed(recorded(network)[5]!, (copy) => {
            copy.data!.data[0] = malform(copy.data!.data[0]!)
            rehashed(copy)
          })
          expect(await refusal(await verifierAt(network, 5), block)).to.equal(
            'DELIVER_TRANSACTIONS',
          )
        })
      }

      it('does not mind an unknown field behind a transaction, as long as the hash is right', async () => {
        const block = changed(recorded(network)[5]!, (copy) => {
          copy.data!.data[0] = Buffer.concat([copy.data!.data[0]!, Buffer.from('1801', 'hex')])
          rehashed(copy)
        })
        // Well-formed and hashed right: the signatures are what is wrong now.
        expect(await refusal(await verifierAt(network, 5), block)).to.equal('DELIVER_SIGNATURES')
      })

      it('stays where it is until it is told to advance', async () => {
        const [, , , block] = recorded(network)
        const verifier = await verifierAt(network, 3)
        expect(await refusal(verifier, block!)).to.equal('accepted')
        expect(await refusal(verifier, block!), 'again').to.equal('accepted')
        expect(verifier.next).to.equal(3n)
        verifier.advance(block!)
        expect(verifier.next).to.equal(4n)
        expect(await refusal(verifier, block!), 'after advancing').to.equal('DELIVER_BLOCK_NUMBER')
      })

      it('goes on from any block with the configuration block that it is under', async () => {
        const blocks = recorded(network)
        const options = { channelId: 'ch1', configBlock: blocks[13]!.message }
        const verifier = createBlockVerifier({ ...options, lastBlock: blocks[17]!.message })
        expect(verifier.next).to.equal(18n)
        expect(await refusal(verifier, blocks[18]!)).to.equal('accepted')
      })

      it('checks a header without its transactions', async () => {
        const block = changed(recorded(network)[5]!, (copy) => delete copy.data)
        const verifier = await verifierAt(network, 5)
        await verifier.verifyHeader(block)
        const forged = changed(block, (copy) => (copy.header!.dataHash = new Uint8Array(32)))
        const error = await verifier.verifyHeader(forged).catch((reason: unknown) => reason)
        expect(error).to.have.property('code', 'DELIVER_SIGNATURES')
      })

      it('has clones that go their own way', async () => {
        const verifier = await verifierAt(network, 3)
        const clone = verifier.clone()
        clone.advance(recorded(network)[3]!)
        expect([verifier.next, clone.next]).to.deep.equal([3n, 4n])
      })
    })
  }

  describe('with signatures by consenter id', () => {
    const network = 'bft-v3.1.5'

    it('needs a quorum of different consenters: 3 of 4', async () => {
      const verifier = await verifierAt(network, 5)
      const block = recorded(network)[5]!
      const two = withSignatures(block, (all) => all.slice(0, 2))
      expect(await refusal(verifier, two), 'two').to.equal('DELIVER_SIGNATURES')
      const repeated = withSignatures(block, ([a, b]) => [a!, b!, a!, b!, b!])
      expect(await refusal(verifier, repeated), 'repeated').to.equal('DELIVER_SIGNATURES')
      const three = withSignatures(block, (all) => all.slice(0, 3))
      expect(await refusal(verifier, three), 'three').to.equal('accepted')
    })

    it('takes a good signature after a wrong one of the same consenter', async () => {
      const block = withSignatures(recorded(network)[5]!, (all) => [
        create(common.MetadataSignatureSchema, { ...all[0]!, signature: all[1]!.signature }),
        ...all,
      ])
      expect(await refusal(await verifierAt(network, 5), block)).to.equal('accepted')
    })

    it('ignores a signature of an id that nobody has', async () => {
      const identifierHeader = encode(
        common.IdentifierHeaderSchema,
        create(common.IdentifierHeaderSchema, { identifier: 99, nonce: Uint8Array.of(1) }),
      )
      const stranger = (one: common.MetadataSignature): common.MetadataSignature =>
        create(common.MetadataSignatureSchema, { ...one, identifierHeader })
      const block = recorded(network)[5]!
      const beside = withSignatures(block, (all) => [stranger(all[0]!), ...all])
      expect(await refusal(await verifierAt(network, 5), beside), 'beside others').to.equal(
        'accepted',
      )
      const instead = withSignatures(block, (all) => [stranger(all[0]!), ...all.slice(1, 3)])
      expect(await refusal(await verifierAt(network, 5), instead), 'instead of one').to.equal(
        'DELIVER_SIGNATURES',
      )
    })

    it('refuses an undecodable identifier header', async () => {
      const block = withSignatures(recorded(network)[5]!, (all) => [
        create(common.MetadataSignatureSchema, {
          ...all[0]!,
          identifierHeader: Uint8Array.of(255),
        }),
        ...all,
      ])
      expect(await refusal(await verifierAt(network, 5), block)).to.equal('DELIVER_BLOCK_METADATA')
    })

    it('does not know signatures by consenter id without channel capability V3_0', async () => {
      const blocks = recorded(network)
      const verdict = async (capability: string): Promise<string> => {
        const configBlock = withCapability(blocks[0]!.message, capability)
        const lastBlock = blocks[0]!.message
        const verifier = createBlockVerifier({ channelId: 'ch1', configBlock, lastBlock })
        return refusal(verifier, blocks[1]!)
      }
      expect(await verdict('V3_0')).to.equal('accepted')
      expect(await verdict('V2_0')).to.equal('DELIVER_SIGNATURES')
    })

    it('needs 4 of 5 after block 22 added a consenter', async () => {
      const verifier = await verifierAt(network, 23)
      const block = recorded(network)[23]!
      const three = withSignatures(block, (all) => all.slice(0, 3))
      expect(await refusal(verifier, three)).to.equal('DELIVER_SIGNATURES')
      expect(await refusal(verifier, block)).to.equal('accepted')
    })

    it('does not know the new consenters before block 22 is accepted', async () => {
      expect((await verifierAt(network, 22)).config.consenters.size).to.equal(4)
      expect((await verifierAt(network, 23)).config.consenters.size).to.equal(5)
    })

    it(`takes at most ${maxBlockSignatures} signatures on one block`, async () => {
      const verifier = await verifierAt(network, 5)
      const many = (count: number): Block =>
        withSignatures(recorded(network)[5]!, (all) => [
          ...all,
          ...new Array<common.MetadataSignature>(count - all.length).fill(
            create(common.MetadataSignatureSchema, {}),
          ),
        ])
      expect(await refusal(verifier, many(maxBlockSignatures))).to.equal('accepted')
      expect(await refusal(verifier, many(maxBlockSignatures + 1))).to.equal(
        'DELIVER_BLOCK_METADATA',
      )
    })
  })

  describe('from a configuration block', () => {
    const blocks = recorded('bft-v3.1.5')
    const from = (
      channelId: string,
      configBlock: common.Block,
      lastBlock?: common.Block,
    ): string => {
      try {
        createBlockVerifier({ channelId, configBlock, ...(lastBlock && { lastBlock }) })
        return 'created'
      } catch (error) {
        return (error as BlockError).code
      }
    }

    it('refuses a block that is no configuration block', () => {
      expect(from('ch1', blocks[5]!.message)).to.equal('DELIVER_CONFIG')
    })

    it('refuses a configuration of another channel', () => {
      expect(from('other', blocks[0]!.message)).to.equal('DELIVER_CONFIG')
    })

    it('refuses a last block from before the configuration', () => {
      expect(from('ch1', blocks[13]!.message, blocks[12]!.message)).to.equal('DELIVER_CONFIG')
    })

    it('refuses a block without header, without data, with a malformed transaction', () => {
      const [genesis] = blocks
      const damages: ((block: common.Block) => unknown)[] = [
        (block) => delete block.header,
        (block) => delete block.data,
        (block) => (block.data!.data = []),
        (block) => (block.data!.data[0] = Uint8Array.of(255)),
        (block) => (block.data!.data[0] = new Uint8Array()),
      ]
      for (const [index, damage] of damages.entries()) {
        const damaged = changed(genesis!, damage).message
        expect(from('ch1', damaged), `damage ${index}`).to.match(
          /^DELIVER_(CONFIG|BLOCK_MALFORMED)$/,
        )
      }
    })

    it('refuses a configuration of another channel in the chain, even if well signed', async () => {
      const verifier = await verifierAt('bft-v3.1.5', 13)
      const position = { ...verifier.position, config: { ...verifier.config, channelId: 'other' } }
      expect(await refusal(new BlockVerifier(position), blocks[13]!)).to.equal('DELIVER_CONFIG')
    })
  })

  it('links by the header hash', () => {
    const blocks = recorded('raft-v2.5.16')
    for (const [index, { message }] of blocks.slice(1).entries()) {
      const before = blocks[index]!.message.header!
      expect(Buffer.from(message.header!.previousHash)).to.deep.equal(blockHeaderHash(before))
    }
  })
})

function reencoded(bytes: Uint8Array, change: (envelope: common.Envelope) => void): Uint8Array {
  const envelope = decode(common.EnvelopeSchema, bytes)
  change(envelope)
  return encode(common.EnvelopeSchema, envelope)
}

describe('BlockVerifier with a check of its user’s own', () => {
  it('accepts what the check accepts, and tells it how many signed well', async () => {
    const [genesis, block] = recorded('bft-v3.1.5')
    const seen: [Block, number][] = []
    const verifier = createBlockVerifier({
      channelId: 'ch1',
      configBlock: genesis!.message,
      checkBlock: (each, goodSigners) => void seen.push([each, goodSigners]),
    })
    await verifier.clone().verify(block!)
    expect(seen).to.deep.equal([[block, 3]])
    seen.length = 0
    const more = withSignatures(block!, (all) => [
      ...all,
      create(common.MetadataSignatureSchema, { ...all[0]!, signature: Buffer.from('none') }),
    ])
    await verifier.verify(more)
    expect(seen).to.deep.equal([[more, 3]])
  })

  it('refuses what the check refuses, with its reason', async () => {
    const [genesis, block] = recorded('bft-v3.1.5')
    const reason = new Error('not this one')
    const verifier = createBlockVerifier({
      channelId: 'ch1',
      configBlock: genesis!.message,
      checkBlock: () => {
        throw reason
      },
    })
    const failure: unknown = await verifier.verify(block!).catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(BlockError)
    expect(failure).to.include({
      code: 'DELIVER_BLOCK_REFUSED',
      message: 'not this one',
      cause: reason,
    })
  })

  it('asks it about no block whose signatures are not enough', async () => {
    const [genesis, block] = recorded('bft-v3.1.5')
    let asked = 0
    const verifier = createBlockVerifier({
      channelId: 'ch1',
      configBlock: genesis!.message,
      checkBlock: () => {
        asked++
      },
    })
    expect(
      await refusal(
        verifier,
        withSignatures(block!, () => []),
      ),
    ).to.equal('DELIVER_SIGNATURES')
    expect(asked).to.equal(0)
  })
})
