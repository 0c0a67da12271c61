import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { MspError } from '@heddle/msp'
import { common, decode, encode, msp, orderer, protos } from '@heddle/proto'
import { type GenesisOptions, channelRules, createGenesisBlock } from '../../src/index.ts'

const recorded = decode(
  common.BlockSchema,
  readFileSync(new URL('../fixtures/bft-v3.1.5/000.block', import.meta.url)),
)

interface Decoded {
  readonly channelHeader: common.ChannelHeader
  readonly nonce: Uint8Array
  readonly config: common.ConfigEnvelope
}

function decoded(block: common.Block): Decoded {
  const envelope = decode(common.EnvelopeSchema, block.data!.data[0]!)
  const { header, data } = decode(common.PayloadSchema, envelope.payload)
  return {
    channelHeader: decode(common.ChannelHeaderSchema, header!.channelHeader),
    nonce: decode(common.SignatureHeaderSchema, header!.signatureHeader).nonce,
    config: decode(common.ConfigEnvelopeSchema, data),
  }
}

/** Options that should give the recorded genesis block again, read from it. */
function recordedOptions(): GenesisOptions {
  const { channelHeader, nonce, config } = decoded(recorded)
  const group = config.config!.channelGroup!
  const ordererGroup = group.groups['Orderer']!
  const value = (from: common.ConfigGroup, name: string): Uint8Array => from.values[name]!.value
  const org = (from: common.ConfigGroup): { mspId: string; msp: msp.MSPConfig } => {
    const config = decode(msp.MSPConfigSchema, value(from, 'MSP'))
    return { msp: config, mspId: decode(msp.FabricMSPConfigSchema, config.config).name }
  }
  const batch = decode(orderer.BatchSizeSchema, value(ordererGroup, 'BatchSize'))
  const { seconds } = channelHeader.timestamp!
  return {
    channelId: channelHeader.channelId,
    timestamp: new Date(Number(seconds) * 1000),
    nonce,
    ordererOrgs: Object.entries(ordererGroup.groups).map(([name, from]) => ({
      name,
      ...org(from),
      endpoints: decode(common.OrdererAddressesSchema, value(from, 'Endpoints')).addresses,
    })),
    applicationOrgs: Object.entries(group.groups['Application']!.groups).map(([name, from]) => ({
      name,
      ...org(from),
      anchorPeers: decode(protos.AnchorPeersSchema, value(from, 'AnchorPeers')).anchorPeers,
    })),
    consenters: decode(common.OrderersSchema, value(ordererGroup, 'Orderers')).consenterMapping,
    batchSize: batch,
    batchTimeout: decode(orderer.BatchTimeoutSchema, value(ordererGroup, 'BatchTimeout')).timeout,
    consensusMetadata: decode(orderer.ConsensusTypeSchema, value(ordererGroup, 'ConsensusType'))
      .metadata,
  }
}

/** Every element of a group by its path, with its bytes. */
function elements(group: common.ConfigGroup, path = '/Channel'): Map<string, string> {
  const found = new Map<string, string>()
  found.set(path, `version ${String(group.version)} by ${group.modPolicy}`)
  for (const [name, { value, version, modPolicy }] of Object.entries(group.values)) {
    const hex = Buffer.from(value).toString('hex')
    found.set(`${path}:${name}`, `version ${String(version)} by ${modPolicy}: ${hex}`)
  }
  for (const [name, { policy, version, modPolicy }] of Object.entries(group.policies)) {
    const hex = encode(common.PolicySchema, policy!).toString('hex')
    found.set(`${path}?${name}`, `version ${String(version)} by ${modPolicy}: ${hex}`)
  }
  for (const [name, child] of Object.entries(group.groups)) {
    for (const [at, bytes] of elements(child, `${path}/${name}`)) found.set(at, bytes)
  }
  return found
}

describe('createGenesisBlock', () => {
  it('makes the recorded genesis block of Fabric v3.1.5: every element, byte for byte', () => {
    const block = createGenesisBlock(recordedOptions())
    const ours = elements(decoded(block).config.config!.channelGroup!)
    const theirs = elements(decoded(recorded).config.config!.channelGroup!)
    expect([...ours.keys()].sort()).to.deep.equal([...theirs.keys()].sort())
    for (const [path, bytes] of theirs) expect(ours.get(path), path).to.equal(bytes)
  })

  it('makes the same headers and metadata as Fabric', () => {
    const block = createGenesisBlock(recordedOptions())
    const [ours, theirs] = [decoded(block), decoded(recorded)]
    expect(ours.channelHeader).to.deep.equal(theirs.channelHeader)
    expect(ours.nonce).to.deep.equal(theirs.nonce)
    expect(block.header!.number).to.equal(0n)
    expect(block.header!.previousHash).to.have.length(0)
    const slot = (from: common.Block): Uint8Array =>
      decode(common.MetadataSchema, from.metadata!.metadata[0]!).value
    expect(Buffer.from(slot(block))).to.deep.equal(Buffer.from(slot(recorded)))
    expect(block.metadata!.metadata).to.have.length(5)
  })

  it('gives the same bytes whatever the order of the organisations', () => {
    const options = recordedOptions()
    const second = { ...options.ordererOrgs[0]!, name: 'AnotherOrg' }
    const bytes = (orgs: GenesisOptions['ordererOrgs']): Buffer =>
      encode(common.BlockSchema, createGenesisBlock({ ...options, ordererOrgs: orgs }))
    const [first] = options.ordererOrgs
    expect(bytes([first!, second])).to.deep.equal(bytes([second, first!]))
  })

  it('makes policies that the recorded members satisfy', () => {
    const block = createGenesisBlock(recordedOptions())
    const rules = channelRules(decoded(block).config.config!.channelGroup!)
    expect(rules.msps.mspIds).to.have.members(['OrdererMSP', 'Org1MSP'])
    for (const path of [
      '/Channel/Readers',
      '/Channel/Writers',
      '/Channel/Admins',
      '/Channel/Orderer/BlockValidation',
      '/Channel/Application/Endorsement',
    ]) {
      expect(rules.policy(path), path).to.not.equal(undefined)
      expect(() => rules.evaluate(path, []), path).to.throw(MspError)
    }
  })

  const wrong: [string, Partial<GenesisOptions>][] = [
    ['no orderer organisation', { ordererOrgs: [] }],
    ['no application organisation', { applicationOrgs: [] }],
    ['no consenter', { consenters: [] }],
    [
      'an orderer organisation without endpoint',
      { ordererOrgs: [{ ...recordedOptions().ordererOrgs[0]!, endpoints: [] }] },
    ],
    ['an option that it does not know', { consenter: [] } as Partial<GenesisOptions>],
    ['a consenter id twice', { consenters: [{ id: 1 }, { id: 1 }] }],
    [
      'an organisation twice',
      { ordererOrgs: [recordedOptions().ordererOrgs[0]!, recordedOptions().ordererOrgs[0]!] },
    ],
  ]
  for (const [what, spoilt] of wrong) {
    it(`refuses ${what}`, () => {
      expect(() => createGenesisBlock({ ...recordedOptions(), ...spoilt }))
        .to.throw()
        .with.property('code', 'CHANNEL_INVALID_OPTIONS')
    })
  }
})
