import { expect } from 'chai'
import { mspFromConfig, rolePrincipal, serializeIdentity } from '@heddle/msp'
import { createTestOrganization } from '@heddle/msp/testing'
import type { TestOrganization } from '@heddle/msp/testing'
import { common, create, decode, encode, msp as proto } from '@heddle/proto'
import type { MessageInitShape } from '@heddle/proto'
import { channelRules } from '../../src/index.ts'
import type { ChannelRules } from '../../src/index.ts'
import { errorOf } from '../support/refusals.ts'

// Kind: what need not be understood makes everything unusable. An organisation that Fabric takes and
// we cannot judge is in the channel, is named, and its identities satisfy nothing.

type Config = proto.MSPConfig

const x509 = (config: proto.FabricMSPConfig): Config =>
  create(proto.MSPConfigSchema, { config: encode(proto.FabricMSPConfigSchema, config) })

const idemix = (name: string, epoch = 0n): Config =>
  create(proto.MSPConfigSchema, {
    type: 1,
    config: encode(
      proto.IdemixMSPConfigSchema,
      create(proto.IdemixMSPConfigSchema, { name, ipk: Buffer.alloc(64, 1), epoch }),
    ),
  })

const implicit = (name: string): common.ConfigPolicy => {
  const rule = create(common.ImplicitMetaPolicySchema, {
    subPolicy: name,
    rule: common.ImplicitMetaPolicy_Rule.ANY,
  })
  const value = encode(common.ImplicitMetaPolicySchema, rule)
  const policy = create(common.PolicySchema, { type: 3, value })
  return create(common.ConfigPolicySchema, { policy })
}

/** NodeOUs whose roles every CA may issue. */
function roles(): proto.FabricNodeOUs {
  const unit = (
    organizationalUnitIdentifier: string,
  ): { organizationalUnitIdentifier: string } => ({
    organizationalUnitIdentifier,
  })
  return create(proto.FabricNodeOUsSchema, {
    enable: true,
    ...{ adminOuIdentifier: unit('admin'), peerOuIdentifier: unit('peer') },
  })
}

/** `/Channel/Application` with these organisations, each in a group of its own. */
function rulesOf(organizations: Record<string, Config | Uint8Array>): ChannelRules {
  const groups = Object.entries(organizations).map(([name, config]) => {
    const value = config instanceof Uint8Array ? config : encode(proto.MSPConfigSchema, config)
    const values = { MSP: create(common.ConfigValueSchema, { value }) }
    return [name, create(common.ConfigGroupSchema, { values })] as const
  })
  const application = create(common.ConfigGroupSchema, {
    groups: Object.fromEntries(groups),
    policies: { Readers: implicit('Readers') },
  })
  return channelRules(create(common.ConfigGroupSchema, { groups: { Application: application } }))
}

describe('an organisation of a channel', () => {
  let org: TestOrganization
  let own: Config
  let member: Uint8Array

  before(async () => {
    org = await createTestOrganization({ mspId: 'Org1MSP' })
    own = org.msp.toConfig()
    member = (await org.identity('p', 'peer')).serialized
  })

  /** The organisation's own configuration with other fields. */
  const changed = (fields: Partial<proto.FabricMSPConfig>): Config =>
    x509({ ...decode(proto.FabricMSPConfigSchema, own.config), ...fields })
  const hashing = (
    name: string,
    fields: MessageInitShape<typeof proto.FabricCryptoConfigSchema>,
  ): Config => changed({ name, cryptoConfig: create(proto.FabricCryptoConfigSchema, fields) })
  const sha3 = (): Config => hashing('Sha3MSP', { signatureHashFamily: 'SHA3' })
  const sha384 = (): Config => hashing('Sha384MSP', { identityIdentifierHashFunction: 'SHA384' })

  const unsupported: Record<string, [make: () => Config, why: RegExp]> = {
    IdemixMSP: [() => idemix('IdemixMSP', 3n), /is an Idemix MSP/],
    Sha3MSP: [sha3, /hashes with "SHA3"/],
    Sha384MSP: [sha384, /hashes with "SHA384"/],
  }
  for (const [mspId, [make, why]] of Object.entries(unsupported)) {
    it(`may be one that is not supported: named, satisfying nothing (${mspId})`, () => {
      const { msps } = rulesOf({ Org1: own, Other: make() })
      msps.validate(msps.deserialize(member))
      expect([...msps.unsupported.keys()]).to.deep.equal([mspId])
      expect(msps.unsupported.get(mspId)?.message).to.match(why)
      expect(msps.unsupported.get(mspId)?.message).to.contain(
        `"/Channel/Application/Other" ("${mspId}")`,
      )
      expect(msps.msp(mspId)).to.equal(undefined)
      const theirs = serializeIdentity(mspId, Buffer.from(org.ca.certificate))
      expect(errorOf(() => msps.deserialize(theirs)).code).to.equal('MSP_UNSUPPORTED_MSP')
      const ours = msps.deserialize(member)
      expect(msps.satisfies(ours, rolePrincipal(mspId, 'member'))).to.equal(false)
      expect(errorOf(() => mspFromConfig(make())).code).to.equal('MSP_UNSUPPORTED_MSP')
    })
  }

  it('may stand in several groups, also when it is not supported, but with one MSP', async () => {
    const twice = rulesOf({ A: own, B: own, C: idemix('IdemixMSP'), D: idemix('IdemixMSP') })
    expect(twice.msps.mspIds).to.deep.equal(['Org1MSP'])
    const names = ['second', 'third']
    const cas = await Promise.all(names.map((mspId) => createTestOrganization({ mspId })))
    const [second, third] = cas.map(({ ca }) => ca.certificate)
    const rooted = (...roots: (string | undefined)[]): Config =>
      changed({ rootCerts: roots.map((pem) => Buffer.from(pem!)), fabricNodeOus: roles() })
    for (const other of [
      { A: idemix('IdemixMSP'), B: idemix('IdemixMSP', 1n) },
      { A: own, B: idemix('Org1MSP') },
      { A: rooted(org.ca.certificate, third), B: rooted(second, third) },
    ]) {
      const { code, message } = errorOf(() => rulesOf(other))
      expect(code).to.equal('CHANNEL_INVALID_CONFIG')
      expect(message).to.match(/^organisation "\/Channel\/Application\/B": two groups have/)
    }
  })

  it('counts once when it stands in several groups in two encodings', () => {
    const config = decode(proto.FabricMSPConfigSchema, own.config)
    const name = create(proto.FabricMSPConfigSchema, { name: config.name })
    const parts = [{ ...config, name: '' }, name].map((part) =>
      encode(proto.FabricMSPConfigSchema, part),
    )
    const turned = create(proto.MSPConfigSchema, { config: Buffer.concat(parts) })
    expect(turned.config).to.not.deep.equal(own.config)
    const twice = rulesOf({ A: own, B: turned })
    expect(twice.msps.mspIds).to.deep.equal(['Org1MSP'])
    expect(twice.policy('/Channel/Application/Readers')?.refusal([])).to.match(/1 are required/)
  })

  it('is named by its group when it is refused', () => {
    const refused: Record<string, Config | Uint8Array> = {
      'without administrators': changed({ name: 'Org2MSP', fabricNodeOus: undefined }),
      'of an unknown type': create(proto.MSPConfigSchema, { type: 2 }),
      'that is no X.509 MSP': create(proto.MSPConfigSchema, { config: Buffer.of(0xff) }),
      'that is no Idemix MSP': create(proto.MSPConfigSchema, { type: 1, config: Buffer.of(0xff) }),
      'that is no MSP': Buffer.of(0xff),
    }
    for (const [what, config] of Object.entries(refused)) {
      const { code, message } = errorOf(() => rulesOf({ Org1: own, Org2: config }))
      expect(code, what).to.equal('CHANNEL_INVALID_CONFIG')
      expect(message, what).to.match(/^organisation "\/Channel\/Application\/Org2": \w/)
    }
    const unreadable = errorOf(() => rulesOf({ Org2: Buffer.of(0xff) }))
    expect(unreadable.message).to.match(/not an encoding of msp\.MSPConfig/)
    expect(unreadable.cause).to.have.property('code', 'PROTO_MALFORMED')
    const sound = rulesOf({ Org1: own, Org2: changed({ name: 'Org2MSP' }) })
    expect(sound.msps.mspIds).to.deep.equal(['Org1MSP', 'Org2MSP'])
  })
})
