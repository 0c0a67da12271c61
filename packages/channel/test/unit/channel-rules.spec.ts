import { expect } from 'chai'
import { nOutOfPolicy, rolePrincipal } from '@heddle/msp'
import type { SignedData, SigningIdentity } from '@heddle/msp'
import { createTestOrganization } from '@heddle/msp/testing'
import type { TestOrganization } from '@heddle/msp/testing'
import { common, create, encode, msp as proto } from '@heddle/proto'
import type { MessageInitShape } from '@heddle/proto'
import { maxGroupDepth } from '../../src/channel-rules.ts'
import { channelRules } from '../../src/index.ts'
import { errorOf, lineOf } from '../support/refusals.ts'

describe('channelRules', () => {
  let org: TestOrganization
  let peer: SigningIdentity
  const data = Buffer.from('data')

  before(async () => {
    org = await createTestOrganization({ mspId: 'Org1MSP' })
    peer = await org.identity('p', 'peer')
  })

  const mspValue = (of: TestOrganization): Uint8Array => {
    const { config, type } = of.msp.toConfig()
    // The two fields of MSPConfig; type 0 is not on the wire.
    expect(type).to.equal(0)
    const length = config.length
    return Buffer.concat([Buffer.of(0x12, (length & 0x7f) | 0x80, length >> 7), config])
  }
  const signature = (): common.ConfigPolicy =>
    create(common.ConfigPolicySchema, {
      policy: {
        type: 1,
        value: encode(
          common.SignaturePolicyEnvelopeSchema,
          nOutOfPolicy(1, [rolePrincipal('Org1MSP', 'member')]),
        ),
      },
    })
  const meta = (): common.ConfigPolicy => {
    const message = create(common.ImplicitMetaPolicySchema, {
      subPolicy: 'Readers',
      rule: common.ImplicitMetaPolicy_Rule.ANY,
    })
    return create(common.ConfigPolicySchema, {
      policy: { type: 3, value: encode(common.ImplicitMetaPolicySchema, message) },
    })
  }
  const groupOf = (mspBytes: Uint8Array, of: object = {}): common.ConfigGroup =>
    create(common.ConfigGroupSchema, {
      policies: { Readers: meta() },
      groups: {
        Application: {
          policies: { Readers: meta() },
          groups: {
            Org1: { values: { MSP: { value: mspBytes } }, policies: { Readers: signature() } },
            ...of,
          },
        },
      },
    })
  const signed = (): SignedData[] => [
    { identity: peer.serialized, data, signature: peer.sign(data) },
  ]

  it('resolves policies by their paths, over the members of all groups', () => {
    const rules = channelRules(groupOf(mspValue(org)))
    expect(rules.msps.mspIds).to.deep.equal(['Org1MSP'])
    for (const path of [
      '/Channel/Readers',
      '/Channel/Application/Readers',
      '/Channel/Application/Org1/Readers',
    ]) {
      rules.evaluate(path, signed())
      expect(
        lineOf(() => rules.evaluate(path, [])),
        path,
      ).to.match(/^MSP_POLICY_NOT_SATISFIED: /)
    }
    expect(rules.policy('/Channel/Writers')).to.equal(undefined)
    for (const path of ['/Channel/Writers', 'toString']) {
      expect(lineOf(() => rules.evaluate(path, signed()))).to.equal(
        `CHANNEL_NO_POLICY: no policy "${path}" in this channel`,
      )
    }
  })

  it('takes an organisation in two groups, and refuses two of one name', async () => {
    const twice = groupOf(mspValue(org), {
      Org1Again: { values: { MSP: { value: mspValue(org) } } },
    })
    expect(channelRules(twice).msps.mspIds).to.deep.equal(['Org1MSP'])
    const impostor = await createTestOrganization({ mspId: 'Org1MSP' })
    const two = groupOf(mspValue(org), {
      Org1Again: { values: { MSP: { value: mspValue(impostor) } } },
    })
    expect(lineOf(() => channelRules(two))).to.equal(
      'CHANNEL_INVALID_CONFIG: organisation "/Channel/Application/Org1Again": two groups have different MSPs with the id "Org1MSP"',
    )
  })

  const group = (of: MessageInitShape<typeof common.ConfigGroupSchema> = {}): common.ConfigGroup =>
    create(common.ConfigGroupSchema, of)
  const nested = (depth: number): common.ConfigGroup =>
    depth === 1 ? group() : group({ groups: { below: nested(depth - 1) } })

  it('refuses a configuration that cannot be read, or is deeper than maxGroupDepth', () => {
    for (const bytes of [Buffer.of(0xff), new Uint8Array()]) {
      expect(lineOf(() => channelRules(groupOf(bytes)))).to.match(
        /^CHANNEL_INVALID_CONFIG: organisation "\/Channel\/Application\/Org1": /,
      )
    }
    expect(lineOf(() => channelRules(nested(maxGroupDepth)))).to.equal('taken')
    expect(lineOf(() => channelRules(nested(maxGroupDepth + 1)))).to.equal(
      'CHANNEL_INVALID_CONFIG: configuration groups too deep',
    )
  })

  it('names the policy that it refuses, and says why', () => {
    const empty = group({ policies: { Odd: create(common.ConfigPolicySchema) } })
    expect(lineOf(() => channelRules(empty))).to.equal(
      'CHANNEL_INVALID_CONFIG: policy "/Channel/Odd" is empty',
    )
    const odd = group({ policies: { Odd: { policy: { type: 1, value: Buffer.of(0xff) } } } })
    const below = group({ groups: { Orderer: odd } })
    expect(lineOf(() => channelRules(below))).to.equal(
      'CHANNEL_INVALID_CONFIG: policy "/Channel/Orderer/Odd": a policy cannot be decoded',
    )
    expect(errorOf(() => channelRules(below)).cause).to.have.property('code', 'MSP_INVALID_POLICY')
  })

  describe('shows no more of a long name than fits into a line:', () => {
    const long = '\u0001'.repeat(20_000)
    const value = encode(proto.MSPConfigSchema, create(proto.MSPConfigSchema, { type: 2 }))
    const cases: [string, () => unknown][] = [
      [
        'a group',
        () => channelRules(group({ groups: { [long]: { values: { MSP: { value } } } } })),
      ],
      ['a policy', () => channelRules(group({ policies: { [long]: {} } }))],
      ['a path that is asked for', () => channelRules(group()).evaluate(long, [])],
    ]
    for (const [what, refused] of cases) {
      it(what, () => {
        const { message } = errorOf(refused)
        expect(message.length).to.be.at.most(1000)
        expect(message).to.not.match(/\p{Cc}/u)
      })
    }
  })
})
