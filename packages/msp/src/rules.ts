import { createHash } from 'node:crypto'
import { nameOf } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import { revocationFault } from './crl.ts'
import type { RevocationList } from './crl.ts'
import { MspError } from './errors.ts'
import { unsupportedKey } from './identity.ts'
import type { Identity, Role } from './identity.ts'
import { shown, shownAll } from './shown.ts'
import type { TrustAnchors } from './trust.ts'

/** An organisational unit that tells roles apart, and the chain that must have issued it, if any. */
export interface NodeOu {
  readonly organizationalUnit: string
  /** Lower-case hex; undefined = every chain of the MSP. */
  readonly certifiersId: string | undefined
}

/** A configured MSP, resolved and checked. */
export interface MspRules extends TrustAnchors {
  readonly mspId: string
  /** DER of CAs that have issued other CAs, lower-case hex: they may not issue identities. */
  readonly innerCas: ReadonlySet<string>
  readonly revocationLists: readonly RevocationList[]
  /** Organisational units that members must have one of: name → chains, lower-case hex. Empty = any. */
  readonly memberUnits: ReadonlyMap<string, ReadonlySet<string>>
  /** Undefined when NodeOUs are off. */
  readonly nodeOus: ReadonlyMap<Role, NodeOu> | undefined
  /** SHA-256 of the administrators' certificates, lower-case hex. */
  readonly admins: ReadonlySet<string>
}

/** SHA-256 over the certificates of a chain: the "certifiers identifier" of Fabric. */
export function certifiersIdOf(chain: readonly Certificate[]): Buffer {
  const hash = createHash('sha256')
  for (const certificate of chain) hash.update(certificate.der)
  return hash.digest()
}

/** Roles of an identity by its organisational units and the list of administrators; not validated. */
export function rolesOf(rules: MspRules, units: readonly string[], id: string): readonly Role[] {
  const roles = [...(rules.nodeOus ?? [])]
    .filter(([, ou]) => units.includes(ou.organizationalUnit))
    .map(([role]) => role)
  return rules.admins.has(id) && !roles.includes('admin') ? [...roles, 'admin'] : roles
}

function noUnit({ subject }: Identity): MspError {
  return new MspError(
    'MSP_NO_ORGANIZATIONAL_UNIT',
    `certificate ${shown(subject)} has no organisational unit`,
  )
}

function memberUnitFault(rules: MspRules, identity: Identity): MspError | undefined {
  if (rules.memberUnits.size === 0) return undefined
  const certifiersId = Buffer.from(identity.certifiersId).toString('hex')
  const units = identity.organizationalUnits
  if (units.some((unit) => rules.memberUnits.get(unit)?.has(certifiersId) === true))
    return undefined
  if (units.length === 0) return noUnit(identity)
  return new MspError(
    'MSP_WRONG_ORGANIZATIONAL_UNIT',
    `none of the organisational units ${shownAll(units)} is one of ${shown(rules.mspId)}`,
  )
}

/** The classification that `unit` stands for; of several with one name the last counts, as in Fabric. */
function lastOf(nodeOus: readonly NodeOu[], unit: string): readonly NodeOu[] {
  return nodeOus.filter((ou) => ou.organizationalUnit === unit).slice(-1)
}

function roleFault(rules: MspRules, identity: Identity): MspError | undefined {
  if (rules.nodeOus === undefined) return undefined
  const certifiersId = Buffer.from(identity.certifiersId).toString('hex')
  const units = identity.organizationalUnits
  const nodeOus = [...rules.nodeOus.values()]
  // A unit that the certificate repeats counts twice.
  const matches = units.flatMap((unit) => lastOf(nodeOus, unit))
  const wrong = matches.find(
    (ou) => ou.certifiersId !== undefined && ou.certifiersId !== certifiersId,
  )
  if (wrong !== undefined) {
    return new MspError(
      'MSP_WRONG_CERTIFIER',
      `organisational unit ${shown(wrong.organizationalUnit)} must be issued by another CA of ${shown(rules.mspId)}`,
    )
  }
  if (matches.length > 1) {
    return new MspError(
      'MSP_SEVERAL_ROLES',
      `organisational units ${shownAll(units)} are more than one role`,
    )
  }
  if (matches.length === 1) return undefined
  if (units.length === 0) return noUnit(identity)
  return new MspError(
    'MSP_NO_ROLE',
    `organisational units ${shownAll(units)} are not a role of ${shown(rules.mspId)}`,
  )
}

/**
 * Why an identity is not a valid member, or undefined: an ECDSA key, no CA, issued by a CA at the
 * edge of the tree, not revoked, organisational units as configured.
 *
 * @param chain - of the identity, its own certificate first
 * @see fabric v3.1.5 msp/mspimplvalidate.go (rules of MSP v1.4.3 and later)
 */
export function membershipFault(
  rules: MspRules,
  identity: Identity,
  chain: readonly Certificate[],
): MspError | undefined {
  const [certificate, issuer] = chain
  const name = shown(identity.subject)
  if (certificate?.isCa !== false || issuer === undefined) {
    return new MspError('MSP_CA_AS_IDENTITY', `${name} is a CA, which cannot be an identity`)
  }
  if (certificate.curve === undefined)
    return unsupportedKey(identity.subject, certificate.publicKey)
  if (rules.innerCas.has(issuer.der.toString('hex'))) {
    return new MspError(
      'MSP_INTERNAL_ISSUER',
      `certificate ${name} is issued by ${nameOf(issuer)}, which has CAs below it`,
    )
  }
  return (
    revocationFault(certificate, issuer, rules.revocationLists) ??
    memberUnitFault(rules, identity) ??
    roleFault(rules, identity)
  )
}
