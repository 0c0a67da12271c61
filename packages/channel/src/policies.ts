import {
  type Role,
  identityPrincipal,
  nOutOfPolicy,
  rolePrincipal,
  serializeIdentity,
} from '@heddle/msp'
import { common, create, encode } from '@heddle/proto'
import { blockQuorum } from './block-quorum.ts'

const { Policy_PolicyType: PolicyType } = common

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
export function anyRole(mspId: string, roles: readonly (Role | 'member')[]): common.Policy {
  return signaturePolicy(
    1,
    roles.map((role) => rolePrincipal(mspId, role)),
  )
}

/**
 * The policy for block signatures of a BFT channel: a quorum of the consenters' identities.
 *
 * @see fabric v3.0.0 common/policies/bft.go
 */
export function consenterQuorum(consenters: readonly common.Consenter[]): common.Policy {
  const identities = consenters.map(({ mspId, identity }) =>
    identityPrincipal(serializeIdentity(mspId, identity)),
  )
  return signaturePolicy(blockQuorum(consenters.length), identities)
}

function signaturePolicy(n: number, principals: readonly common.MSPPrincipal[]): common.Policy {
  return create(common.PolicySchema, {
    type: PolicyType.SIGNATURE,
    value: encode(common.SignaturePolicyEnvelopeSchema, nOutOfPolicy(n, principals)),
  })
}
