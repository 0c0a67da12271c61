import { expect } from 'chai'
import { createTestOrganization } from '@heddle/msp/testing'
import { common, create, decode, encode, msp } from '@heddle/proto'
import { ChannelError, channelConfigOf, createGenesisBlock } from '../../src/index.ts'
import { type ConfigLayers, changedConfig } from '../support/config-block.ts'

/** Block 0 of a channel that two organisations order, the second with an intermediate TLS CA. */
async function createGenesis(): Promise<{
  genesis: common.Block
  roots: readonly [string, string]
  intermediate: string
  consenter: Uint8Array
}> {
  const [a, b] = [
    await createTestOrganization({ mspId: 'AMSP' }),
    await createTestOrganization({ mspId: 'BMSP' }),
  ]
  const { certificate: intermediate } = await b.tlsIntermediate()
  const bConfig = b.msp.toConfig()
  const fabric = fabricConfigOf(bConfig)
  fabric.tlsIntermediateCerts = [Buffer.from(intermediate)]
  bConfig.config = encode(msp.FabricMSPConfigSchema, fabric)
  const consenter = await a.identity('orderer', 'orderer')
  const genesis = createGenesisBlock({
    channelId: 'ch',
    timestamp: new Date(0),
    nonce: Buffer.alloc(24, 1),
    ordererOrgs: [
      { name: 'A', mspId: 'AMSP', msp: a.msp.toConfig(), endpoints: ['a1:7050', 'a2:7050'] },
      { name: 'B', mspId: 'BMSP', msp: bConfig, endpoints: ['b:7050'] },
    ],
    applicationOrgs: [{ name: 'A', mspId: 'AMSP', msp: a.msp.toConfig() }],
    consenters: [{ id: 4, mspId: 'AMSP', identity: consenter.idBytes }],
    batchSize: { maxMessageCount: 1, absoluteMaxBytes: 1024, preferredMaxBytes: 1024 },
    batchTimeout: '1s',
    consensusMetadata: Uint8Array.of(7),
  })
  const roots = [a.tlsCa.certificate, b.tlsCa.certificate] as const
  return { genesis, roots, intermediate, consenter: consenter.serialized }
}

const fabricConfigOf = ({ config }: msp.MSPConfig): msp.FabricMSPConfig =>
  decode(msp.FabricMSPConfigSchema, config)

const addresses = (...list: string[]): common.ConfigValue =>
  create(common.ConfigValueSchema, {
    value: encode(
      common.OrdererAddressesSchema,
      create(common.OrdererAddressesSchema, { addresses: list }),
    ),
  })

describe('channelConfigOf', () => {
  let made: Awaited<ReturnType<typeof createGenesis>>
  before(async () => {
    made = await createGenesis()
  })

  const read = (change: (layers: ConfigLayers) => unknown): ReturnType<typeof channelConfigOf> =>
    channelConfigOf(changedConfig(made.genesis, change))
  const refusalOf = (block: common.Block): ChannelError => {
    try {
      channelConfigOf(block)
    } catch (error) {
      expect(error).to.be.instanceOf(ChannelError)
      return error as ChannelError
    }
    throw new Error('the block was taken')
  }
  const refusal = (change: (layers: ConfigLayers) => unknown): ChannelError =>
    refusalOf(changedConfig(made.genesis, change))

  /** Each address, whose it is, and by what it is known. */
  const shown = ({ ordererEndpoints }: ReturnType<typeof channelConfigOf>): unknown[][] => {
    const names = new Map([
      [made.roots[0].trim(), 'root A'],
      [made.roots[1].trim(), 'root B'],
      [made.intermediate.trim(), 'intermediate B'],
    ])
    return ordererEndpoints.map(({ address, organization, tlsRoots }) => [
      address,
      organization,
      ...tlsRoots.map((pem) => names.get(pem.trim())),
    ])
  }

  it('tells channel, number, sequence, consensus, consenters and policies', () => {
    const config = read(({ envelope }) => (envelope.config!.sequence = 7n))
    expect(config).to.include({ channelId: 'ch', blockNumber: 0n, sequence: 7n, bft: true })
    expect(config.consensus?.type).to.equal('BFT')
    expect([...(config.consensus?.metadata ?? [])]).to.deep.equal([7])
    expect([...config.consenters.keys()]).to.deep.equal([4])
    const { id, mspId, identity } = config.consenters.get(4)!
    expect({ id, mspId }).to.deep.equal({ id: 4, mspId: 'AMSP' })
    expect(Buffer.from(identity)).to.deep.equal(Buffer.from(made.consenter))
    expect(config.rules.policy('/Channel/Orderer/BlockValidation')).to.be.an('object')
    expect(channelConfigOf(made.genesis).sequence).to.equal(0n)
  })

  it('tells where blocks are, and by which certificates of which organisation to know it', () => {
    expect(shown(channelConfigOf(made.genesis))).to.deep.equal([
      ['a1:7050', 'A', 'root A'],
      ['a2:7050', 'A', 'root A'],
      ['b:7050', 'B', 'root B', 'intermediate B'],
    ])
  })

  it('takes the addresses of the channel, with all certificates, only if no organisation has one', () => {
    const config = read(({ channel, orderer }) => {
      channel.values['OrdererAddresses'] = addresses('old1:7050', 'old2:7050')
      delete orderer.groups['A']!.values['Endpoints']
      orderer.groups['B']!.values['Endpoints'] = addresses()
    })
    const roots = ['root A', 'root B', 'intermediate B']
    expect(shown(config)).to.deep.equal([
      ['old1:7050', undefined, ...roots],
      ['old2:7050', undefined, ...roots],
    ])
    const beside = read(({ channel, orderer }) => {
      channel.values['OrdererAddresses'] = addresses('old1:7050')
      delete orderer.groups['A']!.values['Endpoints']
    })
    expect(shown(beside)).to.deep.equal([['b:7050', 'B', 'root B', 'intermediate B']])
  })

  it('names endpoints as they stand there, also what nobody can connect to', () => {
    const odd = read(({ orderer }) => {
      orderer.groups['A']!.values['Endpoints'] = addresses('a2\r\n:7050')
      delete orderer.groups['B']!.values['MSP']
    })
    expect(shown(odd)).to.deep.equal([
      ['a2\r\n:7050', 'A', 'root A'],
      ['b:7050', 'B'],
    ])
  })

  it('has no addresses, consenters or consensus where none are given', () => {
    const config = read(({ orderer }) => {
      delete orderer.values['Orderers']
      delete orderer.values['ConsensusType']
      delete orderer.groups['A']!.values['Endpoints']
      delete orderer.groups['B']!.values['Endpoints']
    })
    expect([config.ordererEndpoints, config.consenters.size]).to.deep.equal([[], 0])
    expect(config.consensus).to.equal(undefined)
    const noOrganization = read(({ orderer }) => (orderer.groups = {}))
    expect(noOrganization.ordererEndpoints).to.deep.equal([])
  })

  it('lets signatures name consenters by id only with channel capability V3_0', () => {
    const capabilities = (name: string): common.ConfigValue =>
      create(common.ConfigValueSchema, {
        value: encode(
          common.CapabilitiesSchema,
          create(common.CapabilitiesSchema, { capabilities: { [name]: {} } }),
        ),
      })
    const bft = (change: (layers: ConfigLayers) => unknown): boolean => read(change).bft
    expect(bft(({ channel }) => delete channel.values['Capabilities'])).to.equal(false)
    expect(bft(({ channel }) => (channel.values['Capabilities'] = capabilities('V2_0')))).to.equal(
      false,
    )
    expect(bft(({ channel }) => (channel.values['Capabilities'] = capabilities('V3_0')))).to.equal(
      true,
    )
  })

  describe('refuses a block, and says why,', () => {
    type Change = (layers: ConfigLayers) => unknown
    const notConfig: [string, string, Change][] = [
      [
        'without a configuration',
        'it holds no configuration',
        ({ envelope }) => delete envelope.config,
      ],
      [
        'with an empty configuration',
        'it holds no configuration',
        ({ envelope }) => delete envelope.config!.channelGroup,
      ],
      [
        'of another type',
        'its transaction is not of type CONFIG',
        ({ channelHeader }) => (channelHeader.type = common.HeaderType.CONFIG_UPDATE),
      ],
      [
        'whose transaction has no header',
        'its transaction has no header',
        ({ payload }) => delete payload.header,
      ],
    ]
    const invalid: [string, string, Change][] = [
      [
        'without an orderer section',
        'it has no orderer section',
        ({ channel }) => delete channel.groups['Orderer'],
      ],
      [
        'without a policy for the signatures of blocks',
        'it has no policy /Channel/Orderer/BlockValidation',
        ({ orderer }) => delete orderer.policies['BlockValidation'],
      ],
    ]
    for (const [code, cases] of [
      ['CHANNEL_NOT_CONFIG', notConfig],
      ['CHANNEL_INVALID_CONFIG', invalid],
    ] as const) {
      for (const [what, why, change] of cases) {
        it(what, () => {
          const error = refusal(change)
          expect(`${error.code}: ${error.message}`).to.equal(
            `${code}: the configuration block cannot be used: ${why}`,
          )
          expect(error.cause).to.equal(undefined)
        })
      }
    }

    it('with two consenters of one id', () => {
      const error = refusal(({ orderer: { values } }) => {
        const { consenterMapping } = decode(common.OrderersSchema, values['Orderers']!.value)
        const twice = [...consenterMapping, ...consenterMapping]
        const changed = create(common.OrderersSchema, { consenterMapping: twice })
        values['Orderers']!.value = encode(common.OrderersSchema, changed)
      })
      expect(`${error.code}: ${error.message}`).to.equal(
        'CHANNEL_INVALID_CONFIG: the configuration block cannot be used: its content is invalid: two consenters have the id 4',
      )
    })

    it('without a header', () => {
      const block = { ...made.genesis }
      delete block.header
      expect(refusalOf(block).message).to.match(/: it has no header$/)
    })

    it('without exactly one transaction', () => {
      const [only] = made.genesis.data!.data
      for (const data of [[], [only!, only!]]) {
        const block = { ...made.genesis, data: create(common.BlockDataSchema, { data }) }
        expect(refusalOf(block).message).to.match(/: it does not hold exactly one transaction$/)
      }
      const block = { ...made.genesis }
      delete block.data
      expect(refusalOf(block).message).to.match(/: it does not hold exactly one transaction$/)
    })

    it('whose transaction is malformed, with the reason', () => {
      const data = create(common.BlockDataSchema, { data: [Uint8Array.of(255)] })
      const error = refusalOf({ ...made.genesis, data })
      expect(error.cause).to.be.instanceOf(Error)
      expect(error.message).to.equal(
        `the configuration block cannot be used: its transaction is malformed: ${(error.cause as Error).message}`,
      )
    })

    it('whose content is invalid, with the reason', () => {
      const spoilt = create(common.ConfigValueSchema, { value: Uint8Array.of(255) })
      const spoil: ((layers: ConfigLayers) => unknown)[] = [
        ({ channel }) => (channel.values['Capabilities'] = spoilt),
        ({ orderer }) => (orderer.values['Orderers'] = spoilt),
        ({ orderer }) => (orderer.values['ConsensusType'] = spoilt),
        ({ orderer }) => (orderer.groups['A']!.values['MSP'] = spoilt),
        ({ orderer }) => (orderer.groups['A']!.values['Endpoints'] = spoilt),
      ]
      for (const [index, change] of spoil.entries()) {
        const error = refusal(change)
        expect(error.cause, `${index}`).to.be.instanceOf(Error)
        expect(error.message, `${index}`).to.equal(
          `the configuration block cannot be used: its content is invalid: ${(error.cause as Error).message}`,
        )
      }
    })
  })
})
