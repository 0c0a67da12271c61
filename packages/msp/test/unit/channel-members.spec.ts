import { expect } from 'chai'
import { common, create, encode, msp as proto } from '@heddle/proto'
import { channelRules, mspFromConfig, rolePrincipal, serializeIdentity } from '../../src/index.ts'
import type { ChannelRules } from '../../src/index.ts'
import { certify, configOf, identityOf, revoke, usualOus } from '../support/ca.ts'
import type { MspSpec, Pair } from '../support/ca.ts'
import { expectCode } from '../support/expect-code.ts'

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
  let root: Pair
  let own: Config
  let member: Uint8Array

  before(async () => {
    root = await certify({ subject: 'CN=root', ca: true })
    own = x509(configOf({ roots: [root], nodeOus: usualOus }))
    member = identityOf(await certify({ subject: 'OU=peer, CN=p', issuer: root }))
  })

  const sha3 = (): Config => {
    const config = configOf({ roots: [root], nodeOus: usualOus })
    config.name = 'Sha3MSP'
    const signatureHashFamily = 'SHA3'
    config.cryptoConfig = create(proto.FabricCryptoConfigSchema, { signatureHashFamily })
    return x509(config)
  }
  const sha384 = (): Config => {
    const config = configOf({ roots: [root], nodeOus: usualOus })
    config.name = 'Sha384MSP'
    const identityIdentifierHashFunction = 'SHA384'
    config.cryptoConfig = create(proto.FabricCryptoConfigSchema, { identityIdentifierHashFunction })
    return x509(config)
  }

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
      const theirs = serializeIdentity(mspId, Buffer.from(root.pem))
      expectCode('MSP_UNSUPPORTED_MSP', () => msps.deserialize(theirs))
      const ours = msps.deserialize(member)
      expect(msps.satisfies(ours, rolePrincipal(mspId, 'member'))).to.equal(false)
      expectCode('MSP_UNSUPPORTED_MSP', () => mspFromConfig(make()))
    })
  }

  it('may stand in several groups, also when it is not supported, but with one MSP', async () => {
    const twice = rulesOf({ A: own, B: own, C: idemix('IdemixMSP'), D: idemix('IdemixMSP') })
    expect(twice.msps.mspIds).to.deep.equal(['Org1MSP'])
    const [second, third] = await Promise.all(
      ['CN=second', 'CN=third'].map((subject) => certify({ subject, ca: true })),
    )
    const rooted = (first: Pair): Config =>
      x509(configOf({ roots: [first, third!], nodeOus: usualOus }))
    for (const other of [
      { A: idemix('IdemixMSP'), B: idemix('IdemixMSP', 1n) },
      { A: own, B: idemix('Org1MSP') },
      { A: rooted(root), B: rooted(second!) },
    ]) {
      expectCode('MSP_INVALID_CONFIG', () => rulesOf(other))
      expect(() => rulesOf(other)).to.throw(/organisation "\/Channel\/Application\/B": /)
    }
  })

  it('counts once when it stands in several groups in two encodings', () => {
    const config = configOf({ roots: [root], nodeOus: usualOus })
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

  it('is named by its group when it is refused', async () => {
    const middle = await certify({ subject: 'CN=middle', ca: true, issuer: root })
    const crls = [await revoke(root, [middle.certificate.serialNumber])]
    const spec: MspSpec = { roots: [root], nodeOus: usualOus }
    const org2 = (of: MspSpec): Config => {
      const config = configOf(of)
      config.name = 'Org2MSP'
      return x509(config)
    }
    const refused: Record<string, Config | Uint8Array> = {
      'without administrators': org2({ roots: [root] }),
      'with a revoked CA': org2({ ...spec, intermediates: [middle], crls }),
      'with a revoked CA for TLS': org2({
        ...spec,
        tlsRoots: [root],
        tlsIntermediates: [middle],
        crls,
      }),
      'of an unknown type': create(proto.MSPConfigSchema, { type: 2 }),
      'that is no X.509 MSP': create(proto.MSPConfigSchema, { config: Buffer.of(0xff) }),
      'that is no Idemix MSP': create(proto.MSPConfigSchema, { type: 1, config: Buffer.of(0xff) }),
      'that is no MSP': Buffer.of(0xff),
    }
    for (const [what, config] of Object.entries(refused)) {
      expectCode('MSP_INVALID_CONFIG', () => rulesOf({ Org1: own, Org2: config }), what)
      const named = /organisation "\/Channel\/Application\/Org2": /
      expect(() => rulesOf({ Org1: own, Org2: config }), what).to.throw(named)
    }
    const unreadable = (): unknown => rulesOf({ Org2: Buffer.of(0xff) })
    expect(unreadable).to.throw(/not an encoding of msp\.MSPConfig/)
    expect(unreadable).to.throw().with.nested.property('cause.code', 'PROTO_MALFORMED')
    const sound = rulesOf({ Org1: own, Org2: org2(spec) })
    expect(sound.msps.mspIds).to.deep.equal(['Org1MSP', 'Org2MSP'])
  })
})
