import { createHash } from 'node:crypto'
import { decode, msp } from '@heddle/proto'
import { parseCertificate, sanitizeCertificate } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import { parseRevocationList } from './crl.ts'
import type { RevocationList } from './crl.ts'
import { MspError } from './errors.ts'
import type { Role } from './identity.ts'
import { certificateDer, decodePem } from './pem.ts'
import { certifiersIdOf } from './rules.ts'
import type { MspRules, NodeOu } from './rules.ts'
import { chainOf } from './trust.ts'
import type { TrustAnchors } from './trust.ts'

function refuse(what: string, cause?: unknown): MspError {
  const options = cause === undefined ? undefined : { cause }
  const detail = cause instanceof Error ? `: ${cause.message}` : ''
  return new MspError('MSP_INVALID_CONFIG', `${what}${detail}`, options)
}

/** The FabricMSPConfig inside an MSPConfig; `MSP_INVALID_CONFIG` for other types (Idemix). */
export function fabricConfigOf(config: msp.MSPConfig | msp.FabricMSPConfig): msp.FabricMSPConfig {
  if (config.$typeName === 'msp.FabricMSPConfig') return config
  if (config.type !== 0) throw refuse(`MSP type ${config.type} is not X.509 (0)`)
  try {
    return decode(msp.FabricMSPConfigSchema, config.config)
  } catch (cause) {
    throw refuse('the MSP configuration cannot be decoded', cause)
  }
}

/** Parses each PEM of a list; `what` names the list in the error. */
function parseAll(pems: readonly Uint8Array[], what: string): Certificate[] {
  return pems.map((pem) => {
    try {
      return parseCertificate(certificateDer(pem))
    } catch (cause) {
      throw refuse(`a certificate of ${what} is refused`, cause)
    }
  })
}

/** {@link chainOf} `certificate`, which then bears its issuer's signature in low-S form. */
export function sanitizedChain(
  certificate: Certificate,
  anchors: TrustAnchors,
): readonly [Certificate, ...Certificate[]] {
  const [, ...above] = chainOf(certificate, anchors)
  return [sanitizeCertificate(certificate, (above[0] ?? certificate).curve), ...above]
}

/** CAs must be CAs, name their key, and chain to a root among them. */
function checkedAnchors(raw: TrustAnchors, what: string): TrustAnchors {
  for (const ca of [...raw.roots, ...raw.intermediates]) {
    const name = JSON.stringify(ca.commonName ?? '')
    if (!ca.isCa) throw refuse(`${what} certificate ${name} is not marked as a CA`)
    if (ca.subjectKeyId === undefined)
      throw refuse(`${what} certificate ${name} has no subject key id`)
  }
  try {
    return {
      roots: raw.roots.map((ca) => sanitizedChain(ca, raw)[0]),
      intermediates: raw.intermediates.map((ca) => sanitizedChain(ca, raw)[0]),
    }
  } catch (cause) {
    throw refuse(`a certificate of ${what} does not chain to a root`, cause)
  }
}

function innerCasOf(anchors: TrustAnchors): Set<string> {
  const parents = anchors.intermediates.flatMap((ca) => chainOf(ca, anchors).slice(1))
  return new Set(parents.map((ca) => ca.der.toString('hex')))
}

function revocationLists(pems: readonly Uint8Array[]): RevocationList[] {
  return pems.map((pem) => {
    try {
      return parseRevocationList(decodePem(pem)?.der ?? Buffer.from(pem))
    } catch (cause) {
      throw refuse('a revocation list is refused', cause)
    }
  })
}

/** Chain id of the CA that a configured organisational unit names; undefined when it names none. */
function certifierOf(ou: msp.FabricOUIdentifier, rules: MspCas): string | undefined {
  if (ou.certificate.length === 0) return undefined
  const [parsed] = parseAll([ou.certificate], 'organisational units')
  if (parsed === undefined) return undefined
  // The signed part tells CAs apart: its signature may be high here and is low among the trusted.
  const isIt = (one: Certificate): boolean => one.toBeSigned.equals(parsed.toBeSigned)
  const edge = rules.intermediates.filter((one) => !rules.innerCas.has(one.der.toString('hex')))
  const known = rules.roots.find(isIt) ?? edge.find(isIt)
  if (known !== undefined) return certifiersIdOf(chainOf(known, rules)).toString('hex')
  throw refuse(
    `organisational unit ${ou.organizationalUnitIdentifier} names no issuing CA of this MSP`,
  )
}

type MspCas = TrustAnchors & Pick<MspRules, 'innerCas'>

function memberUnits(config: msp.FabricMSPConfig, cas: MspCas): Map<string, Set<string>> {
  const units = new Map<string, Set<string>>()
  for (const ou of config.organizationalUnitIdentifiers) {
    const certifier = certifierOf(ou, cas)
    if (certifier === undefined)
      throw refuse('an organisational unit without the CA that issues it')
    const chains = units.get(ou.organizationalUnitIdentifier) ?? new Set()
    units.set(ou.organizationalUnitIdentifier, chains.add(certifier))
  }
  return units
}

function nodeOus(config: msp.FabricMSPConfig, cas: MspCas): Map<Role, NodeOu> | undefined {
  const ous = config.fabricNodeOus
  if (ous?.enable !== true) return undefined
  const configured: [Role, msp.FabricOUIdentifier | undefined][] = [
    ['client', ous.clientOuIdentifier],
    ['peer', ous.peerOuIdentifier],
    ['admin', ous.adminOuIdentifier],
    ['orderer', ous.ordererOuIdentifier],
  ]
  const found = new Map<Role, NodeOu>()
  for (const [role, ou] of configured) {
    if (ou === undefined) continue
    const certifiersId = certifierOf(ou, cas)
    found.set(role, { organizationalUnit: ou.organizationalUnitIdentifier, certifiersId })
  }
  return found.size > 0 ? found : undefined
}

function checkHashes(config: msp.FabricMSPConfig): void {
  const { signatureHashFamily = '', identityIdentifierHashFunction = '' } =
    config.cryptoConfig ?? {}
  if (!['', 'SHA2'].includes(signatureHashFamily)) {
    throw refuse(`signature hash family ${signatureHashFamily} is not SHA2`)
  }
  if (!['', 'SHA256'].includes(identityIdentifierHashFunction)) {
    throw refuse(`identity hash ${identityIdentifierHashFunction} is not SHA256`)
  }
}

/** `Identity.id` of an administrator's certificate. */
function adminId(admin: Certificate, anchors: TrustAnchors): string {
  try {
    const [{ der }] = sanitizedChain(admin, anchors)
    return createHash('sha256').update(der).digest('hex')
  } catch (cause) {
    throw refuse('an administrator is refused', cause)
  }
}

/** The rules of a configured MSP, its administrators not yet checked; see {@link MspRules}. */
export function rulesOf(config: msp.FabricMSPConfig): MspRules {
  if (config.name === '') throw refuse('the MSP has no name')
  if (config.rootCerts.length === 0) throw refuse('the MSP has no root CA')
  checkHashes(config)
  const raw = {
    roots: parseAll(config.rootCerts, 'the root CAs'),
    intermediates: parseAll(config.intermediateCerts, 'the intermediate CAs'),
  }
  const anchors = checkedAnchors(raw, 'CA')
  checkedAnchors(
    {
      roots: parseAll(config.tlsRootCerts, 'the TLS root CAs'),
      intermediates: parseAll(config.tlsIntermediateCerts, 'the TLS intermediate CAs'),
    },
    'TLS CA',
  )
  const cas = { ...anchors, innerCas: innerCasOf(anchors) }
  const admins = parseAll(config.admins, 'the administrators').map((admin) =>
    adminId(admin, anchors),
  )
  return {
    ...cas,
    mspId: config.name,
    revocationLists: revocationLists(config.revocationList),
    memberUnits: memberUnits(config, cas),
    nodeOus: nodeOus(config, cas),
    admins: new Set(admins),
  }
}
