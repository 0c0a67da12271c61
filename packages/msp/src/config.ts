import { createHash } from 'node:crypto'
import { decode, encode, msp } from '@heddle/proto'
import { checkTlsAnchors, identityAnchors, parseListed, refuse, sanitizedChain } from './anchors.ts'
import type { Origins } from './anchors.ts'
import { parseRevocationList } from './crl.ts'
import type { RevocationList } from './crl.ts'
import { MspError } from './errors.ts'
import type { Role } from './identity.ts'
import { decodePem } from './pem.ts'
import { certifiersIdOf } from './rules.ts'
import type { MspRules, NodeOu } from './rules.ts'
import { shown } from './shown.ts'
import { chainOf } from './trust.ts'
import type { TrustAnchors } from './trust.ts'

/** `MSPConfig.type` (fabric v3.1.5 msp/msp.go, ProviderType). */
const type = { x509: 0, idemix: 1 } as const

const no: Origins = new Map()

function unsupported(what: string): MspError {
  return new MspError(
    'MSP_UNSUPPORTED_MSP',
    `it ${what}, which is not supported: its identities satisfy nothing here`,
  )
}

/** The FabricMSPConfig inside an MSPConfig. */
export function fabricConfigOf(config: msp.MSPConfig | msp.FabricMSPConfig): msp.FabricMSPConfig {
  if (config.$typeName === 'msp.FabricMSPConfig') return config
  if (config.type === type.idemix) throw unsupported('is an Idemix MSP')
  if (config.type !== type.x509) throw refuse(`MSP type ${config.type} is not known`)
  try {
    return decode(msp.FabricMSPConfigSchema, config.config)
  } catch (cause) {
    throw refuse('the MSP configuration cannot be decoded', cause)
  }
}

/**
 * The id of a configured MSP, also of one that is not supported, and its content in one encoding: two
 * configurations say the same exactly when these bytes are equal.
 *
 * @throws {MspError} MSP_INVALID_CONFIG when its type is not known or it cannot be decoded; for an
 *   Idemix MSP `ProtoMalformedError`
 */
export function mspContentOf(config: msp.MSPConfig): { mspId: string; content: Uint8Array } {
  if (config.type !== type.idemix) {
    const fabric = fabricConfigOf(config)
    return { mspId: fabric.name, content: encode(msp.FabricMSPConfigSchema, fabric) }
  }
  const idemix = decode(msp.IdemixMSPConfigSchema, config.config)
  return { mspId: idemix.name, content: encode(msp.IdemixMSPConfigSchema, idemix) }
}

function otherHashes(config: msp.FabricCryptoConfig | undefined): string | undefined {
  const { signatureHashFamily: family = '', identityIdentifierHashFunction: hash = '' } =
    config ?? {}
  if (!['', 'SHA2'].includes(family)) return family
  return ['', 'SHA256'].includes(hash) ? undefined : hash
}

function innerCasOf(anchors: TrustAnchors): Set<string> {
  const parents = anchors.intermediates.flatMap((ca) => chainOf(ca, anchors).slice(1))
  return new Set(parents.map((ca) => ca.der.toString('hex')))
}

function revocationLists(pems: readonly Uint8Array[], origins: Origins): RevocationList[] {
  return pems.map((pem, at) => {
    try {
      return parseRevocationList(decodePem(pem)?.der ?? Buffer.from(pem))
    } catch (cause) {
      const where = origins.get(pem) ?? `${at + 1} of ${pems.length}`
      throw refuse(`revocation list (${where}) is refused`, cause)
    }
  })
}

type MspCas = TrustAnchors & Pick<MspRules, 'innerCas'>

/** Chain id of the CA that a configured organisational unit names; undefined when it names none. */
function certifierOf(
  ou: msp.FabricOUIdentifier,
  cas: MspCas,
  origins: Origins,
): string | undefined {
  if (ou.certificate.length === 0) return undefined
  const kind = `the CA of organisational unit ${shown(ou.organizationalUnitIdentifier)}`
  const [listed] = parseListed([ou.certificate], kind, origins)
  if (listed === undefined) return undefined
  const edge = cas.intermediates.filter((one) => !cas.innerCas.has(one.der.toString('hex')))
  try {
    // Its signature may be high here and is low among the trusted.
    const [{ der }] = sanitizedChain(listed.certificate, cas)
    const known = [...cas.roots, ...edge].find((one) => one.der.equals(der))
    if (known !== undefined) return certifiersIdOf(chainOf(known, cas)).toString('hex')
  } catch (cause) {
    throw refuse(`${listed.label} is refused`, cause)
  }
  throw refuse(`${listed.label} is not an issuing CA of this MSP`)
}

function memberUnits(
  config: msp.FabricMSPConfig,
  cas: MspCas,
  origins: Origins,
): Map<string, Set<string>> {
  const units = new Map<string, Set<string>>()
  for (const ou of config.organizationalUnitIdentifiers) {
    const certifier = certifierOf(ou, cas, origins)
    if (certifier === undefined) {
      const name = shown(ou.organizationalUnitIdentifier)
      throw refuse(`organisational unit ${name} does not name the CA that issues it`)
    }
    const chains = units.get(ou.organizationalUnitIdentifier) ?? new Set()
    units.set(ou.organizationalUnitIdentifier, chains.add(certifier))
  }
  return units
}

function nodeOus(
  config: msp.FabricMSPConfig,
  cas: MspCas,
  origins: Origins,
): Map<Role, NodeOu> | undefined {
  const ous = config.fabricNodeOus
  if (ous === undefined) return undefined
  const configured: [Role, msp.FabricOUIdentifier | undefined][] = [
    ['client', ous.clientOuIdentifier],
    ['peer', ous.peerOuIdentifier],
    ['admin', ous.adminOuIdentifier],
    ['orderer', ous.ordererOuIdentifier],
  ]
  const found = new Map<Role, NodeOu>()
  for (const [role, ou] of configured) {
    if (ou === undefined) continue
    const certifiersId = certifierOf(ou, cas, origins)
    found.set(role, { organizationalUnit: ou.organizationalUnitIdentifier, certifiersId })
  }
  return ous.enable && found.size > 0 ? found : undefined
}

/** `Identity.id` of each administrator's certificate. */
function adminIds(
  config: msp.FabricMSPConfig,
  anchors: TrustAnchors,
  origins: Origins,
): Set<string> {
  const ids = parseListed(config.admins, 'administrator', origins).map(({ certificate, label }) => {
    try {
      const [{ der }] = sanitizedChain(certificate, anchors)
      return createHash('sha256').update(der).digest('hex')
    } catch (cause) {
      throw refuse(`${label} is refused`, cause)
    }
  })
  return new Set(ids)
}

/** The rules of a configured MSP, its administrators not yet checked; see {@link MspRules}. */
export function rulesOf(config: msp.FabricMSPConfig, origins: Origins = no): MspRules {
  if (config.name === '') throw refuse('the MSP has no name')
  if (config.rootCerts.length === 0) throw refuse('the MSP has no root CA')
  const hashes = otherHashes(config.cryptoConfig)
  if (hashes !== undefined) throw unsupported(`hashes with ${shown(hashes)}`)
  const listed = (pems: readonly Uint8Array[], kind: string) => parseListed(pems, kind, origins)
  const lists = revocationLists(config.revocationList, origins)
  const anchors = identityAnchors(
    {
      roots: listed(config.rootCerts, 'root CA'),
      intermediates: listed(config.intermediateCerts, 'intermediate CA'),
    },
    lists,
  )
  checkTlsAnchors(
    {
      roots: listed(config.tlsRootCerts, 'TLS root CA'),
      intermediates: listed(config.tlsIntermediateCerts, 'TLS intermediate CA'),
    },
    lists,
  )
  const cas = { ...anchors, innerCas: innerCasOf(anchors) }
  return {
    ...cas,
    mspId: config.name,
    revocationLists: lists,
    memberUnits: memberUnits(config, cas, origins),
    nodeOus: nodeOus(config, cas, origins),
    admins: adminIds(config, anchors, origins),
  }
}
