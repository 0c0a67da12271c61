import { KeyObject, createPublicKey, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import type * as X509 from '@peculiar/x509'
import { parseCertificate, sanitizeCertificate } from '../certificate.ts'
import type { Certificate } from '../certificate.ts'
import { certificateDer, encodePem } from '../pem.ts'
import { readPrivateKey } from '../signing-identity.ts'

/** A certificate and its private key, PEM (PKCS#8). */
export interface CertifiedKey {
  readonly certificate: string
  readonly privateKey: string
}

/** A CA that can issue. */
export interface Authority extends CertifiedKey {
  readonly parsed: Certificate
}

/** What a certificate shall say. */
export interface CertificateRequest {
  readonly commonName: string
  readonly organization?: string
  readonly organizationalUnits?: readonly string[]
  /** What it is for: `ca` issues, `member` signs messages, `tls` serves and dials. */
  readonly purpose: 'ca' | 'member' | 'tls'
  /** Host names and IP addresses, for TLS. */
  readonly sans?: readonly string[]
  readonly notBefore: Date
  readonly notAfter: Date
  /** An existing P-256 key in PEM; without it a new one is made. */
  readonly privateKey?: string
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** Only generating needs this library: loaded here, so that importing the package stays cheap. */
async function loadX509(): Promise<typeof X509> {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

async function keyPair(pem: string | undefined): Promise<webcrypto.CryptoKeyPair> {
  const { subtle } = webcrypto
  if (pem === undefined) return subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const key = readPrivateKey(pem)
  const secretPart = key.export({ format: 'jwk' })
  const publicPart = createPublicKey(key).export({ format: 'jwk' })
  return {
    privateKey: await subtle.importKey('jwk', secretPart, algorithm, true, ['sign']),
    publicKey: await subtle.importKey('jwk', publicPart, algorithm, true, ['verify']),
  }
}

/** The subject as name attributes, each in its own set: what is compared with an issuer's bytes. */
function subjectOf(request: CertificateRequest): X509.JsonName {
  return [
    ...(request.organization === undefined ? [] : [{ O: [request.organization] }]),
    ...(request.organizationalUnits ?? []).map((unit) => ({ OU: [unit] })),
    { CN: [request.commonName] },
  ]
}

function usageOf(x509: typeof X509, purpose: CertificateRequest['purpose']): X509.Extension[] {
  const { digitalSignature, keyCertSign, cRLSign } = x509.KeyUsageFlags
  if (purpose === 'ca') {
    return [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(digitalSignature | keyCertSign | cRLSign, true),
    ]
  }
  const leaf = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(digitalSignature, true),
  ]
  if (purpose === 'member') return leaf
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage
  return [...leaf, new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth])]
}

async function extensionsOf(
  x509: typeof X509,
  request: CertificateRequest,
  keys: { readonly own: webcrypto.CryptoKey; readonly issuer: Certificate | undefined },
): Promise<X509.Extension[]> {
  const extensions = usageOf(x509, request.purpose)
  extensions.push(await x509.SubjectKeyIdentifierExtension.create(keys.own))
  const authorityKeyId = keys.issuer?.subjectKeyId
  if (authorityKeyId !== undefined) {
    extensions.push(new x509.AuthorityKeyIdentifierExtension(authorityKeyId))
  }
  const names = (request.sans ?? []).map((value) => ({
    type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const),
    value,
  }))
  if (names.length > 0) extensions.push(new x509.SubjectAlternativeNameExtension(names))
  return extensions
}

/** A serial number of 16 random bytes: positive, and never the same twice. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.toString('hex')
}

/**
 * Issues a certificate on P-256 with SHA-256; without an issuer, a self-signed one.
 *
 * The signature on it is in low-S form already: what is written is what Fabric would make of it.
 */
export async function issue(
  request: CertificateRequest,
  issuer?: Authority,
): Promise<CertifiedKey> {
  const x509 = await loadX509()
  const own = await keyPair(request.privateKey)
  const signer = issuer === undefined ? own : await keyPair(issuer.privateKey)
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subjectOf(request),
    issuer:
      issuer === undefined
        ? subjectOf(request)
        : new x509.X509Certificate(issuer.parsed.der).subjectName.toJSON(),
    notBefore: request.notBefore,
    notAfter: request.notAfter,
    signingAlgorithm: algorithm,
    publicKey: own.publicKey,
    signingKey: signer.privateKey,
    extensions: await extensionsOf(x509, request, { own: own.publicKey, issuer: issuer?.parsed }),
  })
  const { der } = sanitizeCertificate(parseCertificate(Buffer.from(certificate.rawData)), 'P-256')
  return {
    certificate: encodePem('CERTIFICATE', der),
    privateKey: KeyObject.from(own.privateKey).export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

/** A CA from its certificate and key. */
export function authorityOf(pair: CertifiedKey): Authority {
  return { ...pair, parsed: parseCertificate(certificateDer(pair.certificate)) }
}
