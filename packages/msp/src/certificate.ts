import { X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { curveOf, keyName, readAlgorithm } from './algorithm.ts'
import type { Signed } from './algorithm.ts'
import { DerReader, TAG, derEncode, integerContent, oidText, wholeBitString } from './der.ts'
import { MspError } from './errors.ts'
import { readExtensions } from './extensions.ts'
import type { Extensions } from './extensions.ts'
import { decodeName } from './name.ts'
import type { NameParts } from './name.ts'
import { shown } from './shown.ts'
import { toLowS } from './signature.ts'
import type { Curve } from './signature.ts'
import { readTime } from './time.ts'

interface SignedPart extends Extensions, NameParts {
  /** Content of the INTEGER, lower-case hex. */
  readonly serial: string
  /** DER of the names, lower-case hex: chains compare these, byte for byte. */
  readonly issuer: string
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Buffer
}

/** What a certificate says, with the parts that node's own X509Certificate does not give. */
export interface Certificate extends SignedPart, Signed {
  readonly x509: X509Certificate
  readonly der: Buffer
  /** Undefined when the key is of a kind that OpenSSL does not know. */
  readonly publicKey: KeyObject | undefined
  /** Of an ECDSA key; undefined = a key that signs no messages here. */
  readonly curve: Curve | undefined
}

/** SignedCertificate and CertificateList have the same frame: what is signed, how, the signature. */
export interface SignedFrame extends Signed {
  /** Content of `toBeSigned`. */
  readonly fields: DerReader
  /** AlgorithmIdentifier, DER: the signed part of a certificate must repeat it. */
  readonly identifier: Buffer
}

/** Takes the frame of a certificate or a revocation list apart, whatever algorithm it names. */
export function readSignedFrame(der: Uint8Array): SignedFrame {
  const outer = new DerReader(der)
  const inner = outer.sequence()
  outer.end()
  const { bytes, content } = inner.next(TAG.sequence)
  const identifier = inner.next(TAG.sequence)
  const signature = wholeBitString(inner.next(TAG.bitString))
  inner.end()
  return {
    toBeSigned: bytes,
    fields: new DerReader(content),
    identifier: identifier.bytes,
    algorithm: readAlgorithm(new DerReader(identifier.content)),
    signature,
  }
}

// RFC 5280 §4.1: version, serial, algorithm, issuer, validity, subject, key, ids, extensions.
function readSignedPart({ fields, identifier }: SignedFrame): SignedPart {
  fields.optional(0xa0)
  const serial = integerContent(fields.next(TAG.integer)).toString('hex')
  if (!fields.next(TAG.sequence).bytes.equals(identifier)) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'two different signature algorithms')
  }
  const issuer = fields.next(TAG.sequence)
  const validity = fields.sequence()
  const notBefore = readTime(validity.next())
  const notAfter = readTime(validity.next())
  const subject = fields.next(TAG.sequence)
  const publicKeyInfo = fields.next(TAG.sequence).bytes
  fields.optional(0x81)
  fields.optional(0x82)
  const extensions = fields.optional(0xa3)
  fields.end()
  return {
    serial,
    issuer: issuer.bytes.toString('hex'),
    subject: subject.bytes.toString('hex'),
    ...decodeName(subject.content),
    notBefore,
    notAfter,
    publicKeyInfo,
    ...readExtensions(extensions?.content),
  }
}

/** Keys of these kinds must be readable; with another kind a CA may still be one for TLS. */
const knownKeys = new Set(['1.2.840.10045.2.1', '1.2.840.113549.1.1.1', '1.3.101.112'])

function keyOf(x509: X509Certificate, publicKeyInfo: Buffer): KeyObject | undefined {
  try {
    return x509.publicKey
  } catch (cause) {
    const kind = oidText(new DerReader(publicKeyInfo).sequence().sequence().next(TAG.oid))
    if (knownKeys.has(kind)) throw cause
    return undefined
  }
}

/**
 * Parses a DER certificate, of any algorithm.
 *
 * @param der - kept: must not be changed afterwards
 * @throws MspError `MSP_MALFORMED_IDENTITY` when it is not a certificate, `MSP_UNSUPPORTED_CERTIFICATE`
 *   when its key is on a curve that Go does not know either
 */
export function parseCertificate(der: Buffer): Certificate {
  const frame = readSignedFrame(der)
  const part = readSignedPart(frame)
  const { toBeSigned, algorithm, signature } = frame
  let x509: X509Certificate
  let publicKey: KeyObject | undefined
  try {
    x509 = new X509Certificate(der)
    publicKey = keyOf(x509, part.publicKeyInfo)
  } catch (cause) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'not an X.509 certificate', { cause })
  }
  const curve = curveOf(publicKey)
  if (publicKey?.asymmetricKeyType === 'ec' && curve === undefined) {
    const name = nameOf(part)
    throw new MspError(
      'MSP_UNSUPPORTED_CERTIFICATE',
      `certificate ${name} has a key of ${keyName(publicKey)}, a curve that Go does not know`,
    )
  }
  return { ...part, x509, der, toBeSigned, algorithm, signature, publicKey, curve }
}

/** How messages call a certificate: by its subject, or its serial number when that is empty. */
export function nameOf({
  subjectText,
  serial,
}: Pick<SignedPart, 'subjectText' | 'serial'>): string {
  return subjectText === '' ? `with serial number ${shown(serial)}` : shown(subjectText)
}

/**
 * The certificate with its issuer's signature in low-S form: Fabric re-encodes what a CA signed
 * high, so that certificate, identity bytes and PKI-ID have one form (msp/cert.go).
 *
 * @param curve - of the issuer's key
 * @returns the same object when nothing had to change, or the signature is not ECDSA
 */
export function sanitizeCertificate(
  certificate: Certificate,
  curve: Curve | undefined,
): Certificate {
  if (curve === undefined || certificate.algorithm.key !== 'ec') return certificate
  const low = toLowS(certificate.signature, curve)
  if (low === certificate.signature) return certificate
  const fields = new DerReader(certificate.der).sequence()
  const toBeSigned = fields.next().bytes
  const algorithm = fields.next().bytes
  const signature = derEncode(TAG.bitString, Buffer.of(0), low)
  return parseCertificate(derEncode(TAG.sequence, toBeSigned, algorithm, signature))
}
