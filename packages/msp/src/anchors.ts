import { keyName } from './algorithm.ts'
import { nameOf, parseCertificate, sanitizeCertificate } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import { revocationFault } from './crl.ts'
import type { RevocationList } from './crl.ts'
import { MspError } from './errors.ts'
import { certificateDer } from './pem.ts'
import { chainOf, isSelfSigned } from './trust.ts'
import type { TrustAnchors } from './trust.ts'

/** Refuses a configuration, with what refused a part of it. */
export function refuse(what: string, cause?: unknown): MspError {
  const options = cause === undefined ? undefined : { cause }
  const detail = cause instanceof Error ? `: ${cause.message}` : ''
  return new MspError('MSP_INVALID_CONFIG', `${what}${detail}`, options)
}

/** The files that entries of a configuration were read from. */
export type Origins = ReadonlyMap<Uint8Array, string>

/** A certificate of a configuration, and what messages call it: `root CA "CN=ca" (cacerts/ca.pem)`. */
export interface Listed {
  readonly certificate: Certificate
  readonly label: string
}

/** Parses a list of PEM certificates; `kind` is what one of them is called. */
export function parseListed(pems: readonly Uint8Array[], kind: string, origins: Origins): Listed[] {
  return pems.map((pem, at) => {
    const where = origins.get(pem) ?? `${at + 1} of ${pems.length}`
    try {
      const certificate = parseCertificate(certificateDer(pem))
      return { certificate, label: `${kind} ${nameOf(certificate)} (${where})` }
    } catch (cause) {
      throw refuse(`${kind} (${where}) is refused`, cause)
    }
  })
}

/** Each certificate once: the same file may lie there under two names, as Go's CertPool counts it. */
function unique(listed: readonly Listed[]): Listed[] {
  return [
    ...new Map(listed.map((one) => [one.certificate.der.toString('hex'), one] as const)).values(),
  ]
}

function certificatesOf(listed: readonly Listed[]): Certificate[] {
  return listed.map(({ certificate }) => certificate)
}

/** A CA that signed itself with that signature made low; any other certificate as it is. */
function ownLow(certificate: Certificate): Certificate {
  if (!certificate.isCa || !isSelfSigned(certificate)) return certificate
  return sanitizeCertificate(certificate, certificate.curve)
}

/** {@link chainOf} `certificate`, which then bears its issuer's signature in low-S form. */
export function sanitizedChain(
  certificate: Certificate,
  anchors: TrustAnchors,
): readonly [Certificate, ...Certificate[]] {
  const [own = certificate, ...above] = chainOf(ownLow(certificate), anchors)
  return [sanitizeCertificate(own, (above[0] ?? own).curve), ...above]
}

function checkCa({ certificate, label }: Listed): void {
  if (!certificate.isCa) throw refuse(`${label} is not marked as a CA`)
  if (certificate.subjectKeyId === undefined) throw refuse(`${label} has no subject key id`)
}

/** A CA for identities must have a key that Fabric can import, and a root its own signature. */
function checkIssuer({ certificate, label }: Listed, isRoot: boolean): void {
  const { publicKey, algorithm, curve } = certificate
  const kind = publicKey?.asymmetricKeyType
  if (curve === undefined && kind !== 'rsa' && kind !== 'ed25519') {
    throw refuse(`${label} has a key (${keyName(publicKey)}) that is not ECDSA, RSA or Ed25519`)
  }
  // Fabric finds out when it makes the signature low; of other algorithms it asks nothing.
  if (isRoot && algorithm.key === 'ec' && !isSelfSigned(certificate)) {
    throw refuse(
      `${label} is not signed by itself: an intermediate CA belongs to intermediatecerts`,
    )
  }
}

/**
 * A CA with the signature on it made low: by its own key when it signed itself, which needs no chain
 * yet, else by the key of its issuer.
 *
 * @see fabric v3.1.5 msp/mspimpl.go, sanitizeCert
 */
function lowered(listed: Listed, anchors: TrustAnchors): Listed {
  const { certificate } = listed
  try {
    const isOwn = isSelfSigned(certificate)
    return {
      ...listed,
      certificate: isOwn ? ownLow(certificate) : sanitizedChain(certificate, anchors)[0],
    }
  } catch (cause) {
    throw refuse(`${listed.label} is refused`, cause)
  }
}

/** Every CA must chain to one of the roots, and none below a root may be revoked by its issuer. */
function checkChains(
  listed: readonly Listed[],
  anchors: TrustAnchors,
  lists: readonly RevocationList[],
): void {
  for (const { certificate, label } of listed) {
    try {
      const [, issuer] = chainOf(certificate, anchors)
      const fault = issuer && revocationFault(certificate, issuer, lists)
      if (fault !== undefined) throw fault
    } catch (cause) {
      throw refuse(`${label} is refused`, cause)
    }
  }
}

/** The CAs of one kind, as configured. */
export interface CaList {
  readonly roots: readonly Listed[]
  readonly intermediates: readonly Listed[]
}

/**
 * The CAs that identities may chain to, signatures made low.
 *
 * @see fabric v3.1.5 msp/mspimplsetup.go, setupCAs and finalizeSetupCAs
 */
export function identityAnchors(list: CaList, lists: readonly RevocationList[]): TrustAnchors {
  const raw = { roots: unique(list.roots), intermediates: unique(list.intermediates) }
  for (const ca of [...raw.roots, ...raw.intermediates]) {
    checkCa(ca)
    checkIssuer(ca, raw.roots.includes(ca))
  }
  const before = {
    roots: certificatesOf(raw.roots),
    intermediates: certificatesOf(raw.intermediates),
  }
  const roots = unique(raw.roots.map((ca) => lowered(ca, before)))
  const intermediates = unique(raw.intermediates.map((ca) => lowered(ca, before)))
  const anchors = {
    roots: certificatesOf(roots),
    intermediates: certificatesOf(intermediates),
  }
  checkChains([...roots, ...intermediates], anchors, lists)
  return anchors
}

/**
 * Checks the CAs for TLS, of whatever algorithm they are.
 *
 * @see fabric v3.1.5 msp/mspimplsetup.go, setupTLSCAs
 */
export function checkTlsAnchors(list: CaList, lists: readonly RevocationList[]): void {
  const all = [...unique(list.roots), ...unique(list.intermediates)]
  all.forEach(checkCa)
  const anchors = {
    roots: certificatesOf(unique(list.roots)),
    intermediates: certificatesOf(unique(list.intermediates)),
  }
  checkChains(all, anchors, lists)
}
