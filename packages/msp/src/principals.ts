import { isCodedError } from '@heddle/interface'
import { common, decode } from '@heddle/proto'
import { MspError } from './errors.ts'
import type { Identity, Role } from './identity.ts'
import type { MspRules } from './rules.ts'

/** How deep COMBINED principals may stand inside each other; deeper ones are met by nobody. */
export const maxPrincipalDepth = 16

/** One identity before one MSP. */
export interface Candidate {
  readonly rules: MspRules
  readonly identity: Identity
  /** Throws when it is none of this MSP. */
  readonly isValid: () => boolean
  /** `Identity.id` of a serialized identity; throws when it is none of this MSP. */
  readonly idOf: (serialized: Uint8Array) => string
}

function satisfiesRole(role: common.MSPRole, candidate: Candidate): boolean {
  const { rules, identity, isValid } = candidate
  if (role.mspIdentifier !== rules.mspId || identity.mspId !== rules.mspId) return false
  const classified = (wanted: Role): boolean => {
    const ou = rules.nodeOus?.get(wanted)
    return (
      ou !== undefined && identity.organizationalUnits.includes(ou.organizationalUnit) && isValid()
    )
  }
  switch (role.role) {
    case common.MSPRole_MSPRoleType.MEMBER:
      return isValid()
    case common.MSPRole_MSPRoleType.ADMIN:
      return rules.admins.has(identity.id) || classified('admin')
    case common.MSPRole_MSPRoleType.CLIENT:
      return classified('client')
    case common.MSPRole_MSPRoleType.PEER:
      return classified('peer')
    case common.MSPRole_MSPRoleType.ORDERER:
      return classified('orderer')
    default:
      return false
  }
}

function satisfiesUnit(unit: common.OrganizationUnit, candidate: Candidate): boolean {
  const { rules, identity, isValid } = candidate
  return (
    unit.mspIdentifier === rules.mspId &&
    isValid() &&
    identity.organizationalUnits.includes(unit.organizationalUnitIdentifier) &&
    Buffer.compare(identity.certifiersId, unit.certifiersIdentifier) === 0
  )
}

function evaluate(principal: common.MSPPrincipal, candidate: Candidate, depth: number): boolean {
  const { principal: bytes, principalClassification } = principal
  switch (principalClassification) {
    case common.MSPPrincipal_Classification.ROLE:
      return satisfiesRole(decode(common.MSPRoleSchema, bytes), candidate)
    case common.MSPPrincipal_Classification.ORGANIZATION_UNIT:
      return satisfiesUnit(decode(common.OrganizationUnitSchema, bytes), candidate)
    case common.MSPPrincipal_Classification.IDENTITY:
      return candidate.idOf(bytes) === candidate.identity.id && candidate.isValid()
    case common.MSPPrincipal_Classification.ANONYMITY: {
      const { anonymityType } = decode(common.MSPIdentityAnonymitySchema, bytes)
      return anonymityType === common.MSPIdentityAnonymity_MSPIdentityAnonymityType.NOMINAL
    }
    case common.MSPPrincipal_Classification.COMBINED: {
      const { principals } = decode(common.CombinedPrincipalSchema, bytes)
      if (principals.length === 0 || depth >= maxPrincipalDepth) return false
      return principals.every((one) => evaluate(one, candidate, depth + 1))
    }
    default:
      return false
  }
}

/**
 * Whether the candidate meets `principal`: ROLE, ORGANIZATION_UNIT, IDENTITY, ANONYMITY (X.509
 * identities are always nominal) and COMBINED (all of them). Anything undecodable is met by nobody.
 *
 * @see fabric v3.0.0 msp/mspimpl.go, SatisfiesPrincipal
 */
export function satisfies(principal: common.MSPPrincipal, candidate: Candidate): boolean {
  try {
    return evaluate(principal, candidate, 1)
  } catch (error) {
    if (error instanceof MspError || isCodedError(error, 'PROTO_MALFORMED')) return false
    throw error
  }
}
