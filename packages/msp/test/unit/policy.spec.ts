import { expect } from 'chai'
import fc from 'fast-check'
import { common, create, encode } from '@heddle/proto'
import {
  MspManager,
  collectSigners,
  collectSignersAsync,
  evaluatePolicy,
  identityPrincipal,
  implicitMetaPolicy,
  nOutOfPolicy,
  policyFromConfig,
  rolePrincipal,
  serializeIdentity,
  signaturePolicy,
} from '../../src/index.ts'
import type { Identity, Policy, SignedData, SigningIdentity } from '../../src/index.ts'
import { maxPolicyDepth, maxPolicyRules } from '../../src/policy.ts'
import { maxPrincipalDepth, satisfies } from '../../src/principals.ts'
import type { MspRules } from '../../src/rules.ts'
import { createTestOrganization } from '../../src/testing.ts'
import type { TestOrganization } from '../../src/testing.ts'
import { expectCode } from '../support/expect-code.ts'

const Classification = common.MSPPrincipal_Classification

function principal(
  kind: common.MSPPrincipal_Classification,
  bytes: Uint8Array,
): common.MSPPrincipal {
  return create(common.MSPPrincipalSchema, { principalClassification: kind, principal: bytes })
}

function combined(...principals: common.MSPPrincipal[]): common.MSPPrincipal {
  const message = create(common.CombinedPrincipalSchema, { principals })
  return principal(Classification.COMBINED, encode(common.CombinedPrincipalSchema, message))
}

function unit(
  mspIdentifier: string,
  name: string,
  certifiersIdentifier: Uint8Array,
): common.MSPPrincipal {
  const message = create(common.OrganizationUnitSchema, {
    mspIdentifier,
    organizationalUnitIdentifier: name,
    certifiersIdentifier,
  })
  return principal(Classification.ORGANIZATION_UNIT, encode(common.OrganizationUnitSchema, message))
}

function anonymity(
  anonymityType: common.MSPIdentityAnonymity_MSPIdentityAnonymityType,
): common.MSPPrincipal {
  const message = create(common.MSPIdentityAnonymitySchema, { anonymityType })
  return principal(Classification.ANONYMITY, encode(common.MSPIdentityAnonymitySchema, message))
}

describe('principals', () => {
  let org: TestOrganization
  let other: TestOrganization
  let peer: SigningIdentity
  let invalid: Identity
  const meets = (identity: Identity, wanted: common.MSPPrincipal): boolean =>
    org.msp.satisfies(identity, wanted)

  before(async () => {
    org = await createTestOrganization({ mspId: 'Org1MSP' })
    other = await createTestOrganization({ mspId: 'Org2MSP' })
    peer = await org.identity('peer0', 'peer')
    invalid = org.msp.deserialize((await org.variant('x', 'two-roles')).serialized)
  })

  it('ROLE asks for a valid identity of the MSP with that role', async () => {
    for (const role of ['member', 'peer'] as const) {
      expect(meets(peer, rolePrincipal('Org1MSP', role)), role).to.equal(true)
      expect(meets(peer, rolePrincipal('Org2MSP', role)), role).to.equal(false)
      expect(meets(invalid, rolePrincipal('Org1MSP', role)), role).to.equal(false)
    }
    for (const role of ['client', 'admin', 'orderer'] as const) {
      expect(meets(peer, rolePrincipal('Org1MSP', role)), role).to.equal(false)
      const identity = await org.identity('x', role)
      expect(meets(identity, rolePrincipal('Org1MSP', role)), role).to.equal(true)
    }
  })

  it('ROLE is not met by an identity of another MSP, in either MSP', async () => {
    const theirs = await other.identity('peer0', 'peer')
    expect(meets(theirs, rolePrincipal('Org1MSP', 'member'))).to.equal(false)
    expect(meets(theirs, rolePrincipal('Org2MSP', 'member'))).to.equal(false)
    const manager = new MspManager([org.msp])
    expect(manager.satisfies(theirs, rolePrincipal('Org2MSP', 'member'))).to.equal(false)
  })

  it('ORGANIZATION_UNIT asks for the unit and the chain that issued it', async () => {
    const theirs = await other.identity('peer0', 'peer')
    expect(meets(theirs, unit('Org1MSP', 'peer', theirs.certifiersId))).to.equal(false)
    const { certifiersId } = peer
    expect(meets(peer, unit('Org1MSP', 'peer', certifiersId))).to.equal(true)
    expect(meets(peer, unit('Org2MSP', 'peer', certifiersId))).to.equal(false)
    expect(meets(peer, unit('Org1MSP', 'client', certifiersId))).to.equal(false)
    expect(meets(peer, unit('Org1MSP', 'peer', new Uint8Array(32)))).to.equal(false)
    expect(meets(peer, unit('Org1MSP', 'peer', new Uint8Array()))).to.equal(false)
    expect(meets(invalid, unit('Org1MSP', 'peer', certifiersId))).to.equal(false)
  })

  it('IDENTITY asks for the same certificate, and a valid one', async () => {
    const { serialized } = peer
    expect(meets(peer, identityPrincipal(serialized))).to.equal(true)
    const spaced = serializeIdentity('Org1MSP', Buffer.concat([peer.idBytes, Buffer.from('\n')]))
    expect(meets(peer, identityPrincipal(spaced))).to.equal(true)
    expect(meets(peer, identityPrincipal((await org.identity('p', 'peer')).serialized))).to.equal(
      false,
    )
    expect(meets(peer, identityPrincipal((await other.identity('p', 'peer')).serialized))).to.equal(
      false,
    )
    expect(meets(peer, identityPrincipal(Buffer.from('nonsense')))).to.equal(false)
    expect(meets(invalid, identityPrincipal(invalid.serialized))).to.equal(false)
  })

  it('ANONYMITY is met when it asks for a name', () => {
    const { ANONYMOUS, NOMINAL } = common.MSPIdentityAnonymity_MSPIdentityAnonymityType
    expect(meets(peer, anonymity(NOMINAL))).to.equal(true)
    expect(meets(peer, anonymity(ANONYMOUS))).to.equal(false)
    expect(meets(peer, anonymity(9 as never))).to.equal(false)
  })

  it('COMBINED asks for all of them, and for at least one', () => {
    const [isPeer, isAdmin] = [rolePrincipal('Org1MSP', 'peer'), rolePrincipal('Org1MSP', 'admin')]
    expect(meets(peer, combined(isPeer, rolePrincipal('Org1MSP', 'member')))).to.equal(true)
    expect(meets(peer, combined(isPeer, isAdmin))).to.equal(false)
    expect(meets(peer, combined(combined(isPeer), isPeer))).to.equal(true)
    expect(meets(peer, combined())).to.equal(false)
  })

  it('COMBINED may be nested maxPrincipalDepth deep', () => {
    let nested = rolePrincipal('Org1MSP', 'peer')
    for (let depth = 1; depth < maxPrincipalDepth; depth += 1) nested = combined(nested)
    expect(meets(peer, nested)).to.equal(true)
    expect(meets(peer, combined(nested))).to.equal(false)
  })

  it('that make no sense are met by nobody', () => {
    const nonsense = Buffer.from([0xff])
    const { ROLE, ORGANIZATION_UNIT, IDENTITY, ANONYMITY, COMBINED } = Classification
    for (const kind of [ROLE, ORGANIZATION_UNIT, IDENTITY, ANONYMITY, COMBINED, 9 as never]) {
      expect(meets(peer, principal(kind, nonsense)), String(kind)).to.equal(false)
    }
    const role = create(common.MSPRoleSchema, { mspIdentifier: 'Org1MSP', role: 9 as never })
    const unknown = principal(Classification.ROLE, encode(common.MSPRoleSchema, role))
    expect(meets(peer, unknown)).to.equal(false)
  })

  it('are not called unmet when something else breaks', () => {
    const candidate = {
      ...{ rules: { mspId: 'Org1MSP' } as MspRules, identity: peer, idOf: () => '' },
      isValid: () => {
        throw new TypeError('broken')
      },
    }
    const asked = (): boolean => satisfies(rolePrincipal('Org1MSP', 'member'), candidate)
    expect(asked).to.throw(TypeError, 'broken')
  })
})

describe('signature policies', () => {
  let peers: SigningIdentity[]
  let admins: SigningIdentity[]
  let msps: MspManager
  const data = Buffer.from('data')
  const by = (identity: SigningIdentity): SignedData => ({
    identity: identity.serialized,
    data,
    signature: identity.sign(data),
  })
  const member = (index: number): common.MSPPrincipal => rolePrincipal(`Org${index}MSP`, 'member')
  const admin = (index: number): common.MSPPrincipal => rolePrincipal(`Org${index}MSP`, 'admin')

  before(async () => {
    const orgs = await Promise.all(
      [0, 1, 2].map((index) => createTestOrganization({ mspId: `Org${index}MSP` })),
    )
    peers = await Promise.all(orgs.map((org) => org.identity('peer', 'peer')))
    admins = await Promise.all(orgs.map((org) => org.identity('Admin', 'admin')))
    msps = new MspManager(orgs.map(({ msp }) => msp))
  })

  function holds(envelope: common.SignaturePolicyEnvelope, signed: readonly SignedData[]): boolean {
    try {
      evaluatePolicy(signaturePolicy(envelope, msps), signed, msps)
      return true
    } catch (error) {
      expect(error).to.have.property('code', 'MSP_POLICY_NOT_SATISFIED')
      return false
    }
  }

  it('hold when n of the principals have signed', () => {
    const policy = nOutOfPolicy(2, [member(0), member(1), member(2)])
    expect(holds(policy, [by(peers[0]!), by(peers[2]!)])).to.equal(true)
    expect(holds(policy, [by(peers[0]!)])).to.equal(false)
    expect(holds(policy, [])).to.equal(false)
    expect(holds(nOutOfPolicy(0, []), [])).to.equal(true)
  })

  it('count an identity once, however often it signed', () => {
    const policy = nOutOfPolicy(2, [member(0), member(0)])
    expect(holds(policy, [by(peers[0]!), by(peers[0]!)])).to.equal(false)
    expect(holds(policy, [by(peers[0]!), by(admins[0]!)])).to.equal(true)
  })

  it('skip wrong signatures and unknown signers, and still take a later good one', async () => {
    const stranger = await (
      await createTestOrganization({ mspId: 'StrangerMSP' })
    ).identity('p', 'peer')
    const wrong = { ...by(peers[0]!), signature: peers[1]!.sign(data) }
    const signed = [
      wrong,
      by(stranger),
      { ...wrong, identity: Buffer.from('nonsense') },
      by(peers[0]!),
    ]
    expect(collectSigners(signed, msps).map(({ mspId }) => mspId)).to.deep.equal(['Org0MSP'])
    expect(await collectSignersAsync(signed, msps)).to.deep.equal(collectSigners(signed, msps))
  })

  it('are greedy: a principal keeps the first signer that fits, though another order would do', () => {
    const signed = [by(admins[0]!), by(peers[0]!)]
    expect(holds(nOutOfPolicy(2, [admin(0), member(0)]), signed)).to.equal(true)
    expect(holds(nOutOfPolicy(2, [member(0), admin(0)]), signed)).to.equal(false)
    expect(holds(nOutOfPolicy(2, [member(0), admin(0)]), [...signed].reverse())).to.equal(true)
  })

  it('give back the signers of a rule that failed', () => {
    // Inner: admin and peer of 0; outer: that, or any member of 0 twice.
    const rule = (n: number, rules: object[]): object => ({
      Type: { case: 'nOutOf', value: { n, rules } },
    })
    const signedBy = (value: number): object => ({ Type: { case: 'signedBy', value } })
    const envelope = create(common.SignaturePolicyEnvelopeSchema, {
      identities: [member(0), member(1)],
      rule: rule(1, [rule(2, [signedBy(0), signedBy(1)]), signedBy(0)]) as never,
    })
    expect(holds(envelope, [by(peers[0]!)])).to.equal(true)
    expect(holds(envelope, [by(peers[1]!)])).to.equal(false)
  })

  it('judge as a dumb evaluator does, for policies and signers at random', () => {
    const people = [...peers, ...admins]
    const principals = [0, 1, 2].flatMap((index) => [member(index), admin(index)])
    // Row: who; column: which principal. Peers are members; admins are both.
    const table = people.map((_, who) =>
      principals.map((__, which) => {
        const [org, wantsAdmin] = [Math.floor(which / 2), which % 2 === 1]
        return who % 3 === org && (!wantsAdmin || who >= 3)
      }),
    )
    type Tree = number | { n: number; rules: Tree[] }
    const dumb = (tree: Tree, signers: number[], used: Set<number>): Set<number> | undefined => {
      if (typeof tree === 'number') {
        const who = signers.find((one) => !used.has(one) && table[one]![tree])
        return who === undefined ? undefined : new Set([...used, who])
      }
      let [taken, met] = [used, 0]
      for (const rule of tree.rules) {
        const after = dumb(rule, signers, taken)
        if (after !== undefined) [taken, met] = [after, met + 1]
      }
      return met >= tree.n ? taken : undefined
    }
    const toRule = (tree: Tree): object =>
      typeof tree === 'number'
        ? { Type: { case: 'signedBy', value: tree } }
        : { Type: { case: 'nOutOf', value: { n: tree.n, rules: tree.rules.map(toRule) } } }
    const trees = fc.letrec<{ tree: Tree }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.nat({ max: 5 }),
        fc.record({ n: fc.nat({ max: 3 }), rules: fc.array(tie('tree'), { maxLength: 4 }) }),
      ),
    })).tree
    fc.assert(
      fc.property(trees, fc.uniqueArray(fc.nat({ max: 5 }), { maxLength: 6 }), (tree, signers) => {
        const envelope = create(common.SignaturePolicyEnvelopeSchema, {
          identities: principals,
          rule: toRule(tree) as never,
        })
        const refusal = signaturePolicy(envelope, msps).refusal(signers.map((who) => people[who]!))
        expect(refusal === undefined).to.equal(dumb(tree, signers, new Set()) !== undefined)
      }),
      { seed: 3, numRuns: 300 },
    )
  })

  it('are refused when they cannot be evaluated', () => {
    const envelope = (init: object): common.SignaturePolicyEnvelope =>
      create(common.SignaturePolicyEnvelopeSchema, init)
    const bad = [
      envelope({}),
      envelope({ ...nOutOfPolicy(1, [member(0)]), version: 1 }),
      envelope({ rule: { Type: { case: 'signedBy', value: 0 } } }),
      envelope({ rule: { Type: { case: 'signedBy', value: -1 } }, identities: [member(0)] }),
      envelope({ rule: { Type: { case: 'nOutOf', value: { n: 1, rules: [{}] } } } }),
    ]
    bad.forEach((one, at) =>
      expectCode('MSP_INVALID_POLICY', () => signaturePolicy(one, msps), String(at)),
    )
  })

  it('may be maxPolicyDepth deep and maxPolicyRules long', () => {
    const nested = (depth: number): common.SignaturePolicyEnvelope => {
      let rule: object = { Type: { case: 'signedBy', value: 0 } }
      for (let i = 1; i < depth; i += 1)
        rule = { Type: { case: 'nOutOf', value: { n: 1, rules: [rule] } } }
      return create(common.SignaturePolicyEnvelopeSchema, {
        identities: [member(0)],
        rule: rule as never,
      })
    }
    expect(signaturePolicy(nested(maxPolicyDepth), msps).refusal([peers[0]!])).to.equal(undefined)
    expectCode('MSP_INVALID_POLICY', () => signaturePolicy(nested(maxPolicyDepth + 1), msps))
    const long = (rules: number): common.SignaturePolicyEnvelope =>
      nOutOfPolicy(1, new Array<common.MSPPrincipal>(rules - 1).fill(member(0)))
    signaturePolicy(long(maxPolicyRules), msps)
    expectCode('MSP_INVALID_POLICY', () => signaturePolicy(long(maxPolicyRules + 1), msps))
  })

  it('that are not there are an error of their own', () => {
    expectCode('MSP_NO_POLICY', () => evaluatePolicy(undefined, [], msps))
  })
})

describe('implicit meta policies', () => {
  const { ANY, ALL, MAJORITY } = common.ImplicitMetaPolicy_Rule
  const yes: Policy = { refusal: () => undefined }
  const no: Policy = { refusal: () => 'no' }
  const refusal = (
    rule: common.ImplicitMetaPolicy_Rule,
    children: (Policy | undefined)[],
  ): string | undefined => implicitMetaPolicy({ subPolicy: 'Readers', rule }, children).refusal([])

  it('ask for any, all, or more than half of the policies below', () => {
    expect(refusal(ANY, [no, yes])).to.equal(undefined)
    expect(refusal(ANY, [no, no])).to.match(
      /0 sub-policies "Readers" were satisfied, 1 are required/,
    )
    expect(refusal(ALL, [yes, yes])).to.equal(undefined)
    expect(refusal(ALL, [yes, no])).to.match(/1 .* 2/)
    expect(refusal(MAJORITY, [yes, yes, no])).to.equal(undefined)
    expect(refusal(MAJORITY, [yes, yes, no, no])).to.match(/2 .* 3/)
    expect(refusal(MAJORITY, [yes])).to.equal(undefined)
  })

  it('count a group without the policy as a refusal, and hold without any group', () => {
    expect(refusal(ALL, [yes, undefined])).to.match(/1 .* 2/)
    for (const rule of [ANY, ALL, MAJORITY]) expect(refusal(rule, [])).to.equal(undefined)
  })

  it('refuse an unknown rule and an unknown type of policy', () => {
    expectCode('MSP_INVALID_POLICY', () => refusal(9 as never, [yes]))
    const context = { msps: new MspManager([]), children: () => [] }
    for (const [type, value] of [
      [0, ''],
      [2, ''],
      [9, ''],
      [1, 'ff'],
      [3, 'ff'],
    ] as const) {
      const policy = create(common.PolicySchema, { type, value: Buffer.from(value, 'hex') })
      expectCode('MSP_INVALID_POLICY', () => policyFromConfig(policy, context), String(type))
    }
  })
})
