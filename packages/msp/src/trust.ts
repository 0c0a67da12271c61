import { isSignedWith } from './algorithm.ts'
import { nameOf } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import { MspError } from './errors.ts'
import { KEY_USAGE } from './extensions.ts'
import { shownAll } from './shown.ts'

/** Chains are cut off beyond this many certificates, the leaf and the root included. */
export const maxChainLength = 8
/** Signatures checked while looking for the chains of one certificate (Go's crypto/x509 has 100). */
export const maxSignatureChecks = 100

const serverAuth = '1.3.6.1.5.5.7.3.1'
const anyPurpose = '2.5.29.37.0'

/** The certificates that an MSP trusts. Both lists may be empty for TLS. */
export interface TrustAnchors {
  readonly roots: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
}

interface Search {
  readonly anchors: TrustAnchors
  /** The moment for which validity is judged, milliseconds. */
  readonly at: number
  readonly found: Certificate[][]
  refusal: string
  checks: number
}

function withinValidity(certificate: Certificate, at: number): boolean {
  return at >= certificate.notBefore.getTime() && at <= certificate.notAfter.getTime()
}

/** Why `parent` may not stand above the chain so far (leaf first), or undefined. */
function parentFault(
  parent: Certificate,
  chain: readonly Certificate[],
  at: number,
): string | undefined {
  if (!parent.isCa) return 'its issuer is not marked as a CA'
  if (!mayIssue(parent)) return 'its issuer may not sign certificates'
  if (parent.maxPathLength !== undefined && chain.length - 1 > parent.maxPathLength) {
    return 'the chain is longer than its issuer allows'
  }
  if (!withinValidity(parent, at)) return 'its issuer was not valid when it was issued'
  if (parent.unhandledCritical.length > 0) {
    return `its issuer has unknown critical extensions ${shownAll(parent.unhandledCritical)}`
  }
  return undefined
}

/** Why `issuer` did not sign `certificate`, or undefined when it did. */
function signatureFault(certificate: Certificate, issuer: Certificate): string | undefined {
  const { algorithm } = certificate
  if (algorithm.digest === 'sha1') return `it is signed with ${algorithm.name}, which is not safe`
  if (isSignedWith(certificate, issuer.publicKey)) return undefined
  return `its signature (${algorithm.name}) is not by the issuer that it names`
}

/** Whether a CA certificate is its own issuer, as that of a root is. */
export function isSelfSigned(ca: Certificate): boolean {
  return signatureFault(ca, ca) === undefined && mayIssue(ca)
}

function mayIssue({ keyUsage }: Certificate): boolean {
  return keyUsage === undefined || (keyUsage & KEY_USAGE.certificateSign) !== 0
}

/** Go takes certificates with the same subject, key and alternative names for one: no chain has it twice. */
function isInChain(candidate: Certificate, chain: readonly Certificate[]): boolean {
  const same = chain.filter(
    (one) => one.subject === candidate.subject && one.publicKeyInfo.equals(candidate.publicKeyInfo),
  )
  return same.some((one) => one.subjectAltName === candidate.subjectAltName)
}

function extend(
  search: Search,
  chain: readonly Certificate[],
  parents: readonly Certificate[],
): Certificate[][] {
  const child = chain[chain.length - 1]
  if (child === undefined || chain.length >= maxChainLength) return []
  return parents
    .filter((parent) => parent.subject === child.issuer && !isInChain(parent, chain))
    .filter((parent) => {
      search.checks += 1
      if (search.checks > maxSignatureChecks) {
        search.refusal = 'too many candidates for its issuer'
        return false
      }
      const fault = signatureFault(child, parent) ?? parentFault(parent, chain, search.at)
      if (fault !== undefined) search.refusal = fault
      return fault === undefined
    })
    .map((parent) => [...chain, parent])
}

function climb(search: Search, chain: readonly Certificate[]): void {
  search.found.push(...extend(search, chain, search.anchors.roots))
  for (const longer of extend(search, chain, search.anchors.intermediates)) climb(search, longer)
}

/** Purposes nest: each certificate that lists any must list TLS server (Go's default) or "any". */
function allowsPurpose(chain: readonly Certificate[]): boolean {
  return chain.every(
    ({ extendedKeyUsage: purposes }) =>
      purposes.length === 0 || purposes.includes(serverAuth) || purposes.includes(anyPurpose),
  )
}

/** What Go takes for a host name in a common name (msp/mspimpl.go, validHostname). */
function looksLikeHost(name: string): boolean {
  const labels = name.replace(/\.$/, '').split('.')
  return labels.every(
    (label, at) => (at === 0 && label === '*') || /^[A-Za-z0-9_:][A-Za-z0-9_:-]*$/.test(label),
  )
}

/**
 * Why the name constraints of a CA above speak against a certificate, or undefined. They are not
 * applied to alternative names here: a certificate that has any is refused. One that has none is
 * refused when its common name looks like a host name, as in Fabric (msp/mspimpl.go,
 * verifyLegacyNameConstraints).
 */
function nameConstraintsFault([leaf, ...above]: readonly Certificate[]): string | undefined {
  const constrained = above.find((ca) => ca.hasNameConstraints)
  if (leaf === undefined || constrained === undefined) return undefined
  const isNamed = leaf.subjectAltName !== undefined || looksLikeHost(leaf.commonName ?? '')
  return isNamed
    ? `${nameOf(constrained)} above it has name constraints, which are not supported here`
    : undefined
}

function unknown(certificate: Certificate, why: string): MspError {
  return new MspError(
    'MSP_UNKNOWN_AUTHORITY',
    `certificate ${nameOf(certificate)} does not chain to a root: ${why}`,
  )
}

/**
 * The one chain from `certificate` (first) over intermediates to a root (last).
 *
 * Rules of Go's crypto/x509 as Fabric's MSP uses it: validity is judged one second after the
 * certificate's own begin, so that expiry does not break what was valid when it was signed
 * (msp/mspimplvalidate.go); purposes default to TLS server; a root alone is a chain of one.
 *
 * @throws MspError `MSP_UNKNOWN_AUTHORITY` when there is no chain, `MSP_AMBIGUOUS_CHAIN` when there
 *   are several, `MSP_UNSUPPORTED_CERTIFICATE` for a critical extension that is not applied
 */
export function chainOf(certificate: Certificate, anchors: TrustAnchors): readonly Certificate[] {
  if (certificate.unhandledCritical.length > 0) {
    const names = shownAll(certificate.unhandledCritical)
    throw new MspError(
      'MSP_UNSUPPORTED_CERTIFICATE',
      `certificate ${nameOf(certificate)} has critical extensions that are not applied: ${names}`,
    )
  }
  const at = certificate.notBefore.getTime() + 1000
  const search: Search = {
    anchors,
    at,
    found: [],
    refusal: "no root or intermediate has its issuer's name",
    checks: 0,
  }
  if (!withinValidity(certificate, at)) throw unknown(certificate, 'its validity is empty')
  if (anchors.roots.some((root) => root.der.equals(certificate.der)))
    search.found.push([certificate])
  else climb(search, [certificate])
  const chains = search.found.filter(allowsPurpose)
  const [only] = chains
  if (only === undefined) {
    throw unknown(
      certificate,
      search.found.length > 0 ? 'its extended key usages do not allow it' : search.refusal,
    )
  }
  if (chains.length > 1) {
    throw new MspError(
      'MSP_AMBIGUOUS_CHAIN',
      `certificate ${nameOf(certificate)} has ${chains.length} chains to a root; only one is allowed`,
    )
  }
  const fault = nameConstraintsFault(only)
  if (fault !== undefined) throw unknown(certificate, fault)
  return only
}
