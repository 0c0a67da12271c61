import { common, create, encode } from '@heddle/proto'
import type { Role } from './identity.ts'

const roleTypes: Readonly<Record<Role | 'member', common.MSPRole_MSPRoleType>> = {
  member: common.MSPRole_MSPRoleType.MEMBER,
  admin: common.MSPRole_MSPRoleType.ADMIN,
  client: common.MSPRole_MSPRoleType.CLIENT,
  peer: common.MSPRole_MSPRoleType.PEER,
  orderer: common.MSPRole_MSPRoleType.ORDERER,
}

/** The principal "a valid `role` of `mspId`". @see fabric v3.0.0 msp/msp_principal.proto (MSPRole) */
export function rolePrincipal(mspId: string, role: Role | 'member'): common.MSPPrincipal {
  const message = create(common.MSPRoleSchema, { mspIdentifier: mspId, role: roleTypes[role] })
  return create(common.MSPPrincipalSchema, {
    principalClassification: common.MSPPrincipal_Classification.ROLE,
    principal: encode(common.MSPRoleSchema, message),
  })
}

/** The principal "exactly this identity", a SerializedIdentity. */
export function identityPrincipal(serialized: Uint8Array): common.MSPPrincipal {
  return create(common.MSPPrincipalSchema, {
    principalClassification: common.MSPPrincipal_Classification.IDENTITY,
    principal: serialized,
  })
}

/**
 * The signature policy "at least `n` of these principals, each by another signer".
 *
 * @param n - 1 to their number; nothing is checked here
 * @see fabric v3.0.0 common/policies.proto (SignaturePolicyEnvelope)
 */
export function nOutOfPolicy(
  n: number,
  principals: readonly common.MSPPrincipal[],
): common.SignaturePolicyEnvelope {
  const rules = principals.map((_, index) => ({
    Type: { case: 'signedBy' as const, value: index },
  }))
  return create(common.SignaturePolicyEnvelopeSchema, {
    version: 0,
    rule: { Type: { case: 'nOutOf', value: { n, rules } } },
    identities: [...principals],
  })
}
