import { common, create, encode, msp } from '@heddle/proto'
import { blockQuorum } from './block.ts'

const { Policy_PolicyType: PolicyType } = common
const { MSPPrincipal_Classification: Classification } = common

/** A policy that is satisfied when the policies of this name in the groups below are. */
export function implicitMeta(
  rule: common.ImplicitMetaPolicy_Rule,
  subPolicy: string,
): common.Policy {
  const value = create(common.ImplicitMetaPolicySchema, { rule, subPolicy })
  return create(common.PolicySchema, {
    type: PolicyType.IMPLICIT_META,
    value: encode(common.ImplicitMetaPolicySchema, value),
  })
}

/** A policy that is satisfied by a signature of a member of `mspId` in one of `roles`. */
export function anyRole(
  mspId: string,
  roles: readonly common.MSPRole_MSPRoleType[],
): common.Policy {
  const identities = roles.map((role) => {
    const principal = create(common.MSPRoleSchema, { mspIdentifier: mspId, role })
    return create(common.MSPPrincipalSchema, {
      principalClassification: Classification.ROLE,
      principal: encode(common.MSPRoleSchema, principal),
    })
  })
  return signaturePolicy(1, identities)
}

/**
 * The policy for block signatures of a BFT channel: a quorum of the consenters' identities.
 *
 * @see fabric v3.0.0 common/policies/bft.go
 */
export function consenterQuorum(consenters: readonly common.Consenter[]): common.Policy {
  const identities = consenters.map(({ mspId, identity }) => {
    const principal = create(msp.SerializedIdentitySchema, { mspid: mspId, idBytes: identity })
    return create(common.MSPPrincipalSchema, {
      principalClassification: Classification.IDENTITY,
      principal: encode(msp.SerializedIdentitySchema, principal),
    })
  })
  return signaturePolicy(blockQuorum(consenters.length), identities)
}

/** `n` out of `identities`, each counted once. */
function signaturePolicy(n: number, identities: common.MSPPrincipal[]): common.Policy {
  const rules = identities.map((_, index) =>
    create(common.SignaturePolicySchema, { Type: { case: 'signedBy', value: index } }),
  )
  const envelope = create(common.SignaturePolicyEnvelopeSchema, {
    version: 0,
    rule: { Type: { case: 'nOutOf', value: { n, rules } } },
    identities,
  })
  return create(common.PolicySchema, {
    type: PolicyType.SIGNATURE,
    value: encode(common.SignaturePolicyEnvelopeSchema, envelope),
  })
}
