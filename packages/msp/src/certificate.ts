import { X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { DerReader, TAG, derEncode, integerContent, oidText, wholeBitString } from './der.ts'
import type { DerNode } from './der.ts'
import { MspError } from './errors.ts'
import { readExtensions } from './extensions.ts'
import type { Extensions } from './extensions.ts'
import { decodeName } from './name.ts'
import { toLowS } from './signature.ts'
import type { Curve } from './signature.ts'
import { readTime } from './time.ts'

/** Signature algorithms of certificates and CRLs: ECDSA with SHA-2, as Fabric's tools issue. */
const digestOf: Readonly<Record<string, string>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
}

const curveNames: Readonly<Record<string, Curve>> = { prime256v1: 'P-256', secp384r1: 'P-384' }

/** What a certificate says, with the parts that node's own X509Certificate does not give. */
export interface Certificate extends Extensions {
  readonly x509: X509Certificate
  readonly der: Buffer
  /** The part that the issuer signed. */
  readonly toBeSigned: Buffer
  readonly signature: Buffer
  /** Name of the digest under the issuer's signature. */
  readonly digest: string
  readonly publicKey: KeyObject
  readonly curve: Curve
  /** Content of the INTEGER, lower-case hex. */
  readonly serial: string
  /** DER of the names, lower-case hex: chains compare these, byte for byte. */
  readonly issuer: string
  readonly subject: string
  readonly organizationalUnits: readonly string[]
  readonly commonName: string | undefined
  readonly notBefore: Date
  readonly notAfter: Date
}

/** SignedCertificate and CertificateList have the same frame: what is signed, how, the signature. */
export interface SignedFrame {
  readonly toBeSigned: DerNode
  readonly digest: string
  /** Object identifier of the signature algorithm; the signed part repeats it. */
  readonly algorithm: string
  readonly signature: Buffer
}

/** Takes the frame of a certificate or a CRL apart; refuses algorithms that Fabric's MSP would not verify. */
export function readSignedFrame(der: Uint8Array): SignedFrame {
  const outer = new DerReader(der)
  const inner = outer.sequence()
  outer.end()
  const toBeSigned = inner.next(TAG.sequence)
  const algorithm = oidText(inner.sequence().next(TAG.oid))
  const signature = wholeBitString(inner.next(TAG.bitString))
  inner.end()
  const digest = digestOf[algorithm]
  if (digest === undefined) {
    throw new MspError(
      'MSP_UNSUPPORTED_CERTIFICATE',
      `signature algorithm ${algorithm} is not ECDSA with SHA-2`,
    )
  }
  return { toBeSigned, digest, algorithm, signature }
}

interface SignedPart extends Extensions {
  readonly serial: string
  readonly issuer: string
  readonly subject: string
  readonly organizationalUnits: readonly string[]
  readonly commonName: string | undefined
  readonly notBefore: Date
  readonly notAfter: Date
}

// RFC 5280 §4.1: version, serial, algorithm, issuer, validity, subject, key, ids, extensions.
function readSignedPart({ toBeSigned, algorithm }: SignedFrame): SignedPart {
  const fields = new DerReader(toBeSigned.content)
  fields.optional(0xa0)
  const serial = integerContent(fields.next(TAG.integer)).toString('hex')
  if (oidText(fields.sequence().next(TAG.oid)) !== algorithm) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'two different signature algorithms')
  }
  const issuer = fields.next(TAG.sequence)
  const validity = fields.sequence()
  const notBefore = readTime(validity.next())
  const notAfter = readTime(validity.next())
  const subject = fields.next(TAG.sequence)
  fields.sequence()
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
    ...readExtensions(extensions?.content),
  }
}

function curveOf(key: KeyObject): Curve {
  const curve = curveNames[key.asymmetricKeyDetails?.namedCurve ?? '']
  if (key.asymmetricKeyType === 'ec' && curve !== undefined) return curve
  throw new MspError(
    'MSP_UNSUPPORTED_CERTIFICATE',
    `key is ${key.asymmetricKeyType ?? 'unknown'}, not ECDSA on P-256 or P-384`,
  )
}

/**
 * Parses a DER certificate.
 *
 * @param der - kept: must not be changed afterwards
 * @throws MspError `MSP_MALFORMED_IDENTITY` when it is no certificate, `MSP_UNSUPPORTED_CERTIFICATE`
 *   when its key or signature is not ECDSA
 */
export function parseCertificate(der: Buffer): Certificate {
  const frame = readSignedFrame(der)
  const part = readSignedPart(frame)
  try {
    const x509 = new X509Certificate(der)
    const publicKey = x509.publicKey
    return {
      ...part,
      x509,
      der,
      toBeSigned: frame.toBeSigned.bytes,
      signature: frame.signature,
      digest: frame.digest,
      publicKey,
      curve: curveOf(publicKey),
    }
  } catch (cause) {
    if (cause instanceof MspError) throw cause
    throw new MspError('MSP_MALFORMED_IDENTITY', 'not an X.509 certificate', { cause })
  }
}

/**
 * The certificate with its issuer's signature in low-S form: Fabric re-encodes what a CA signed
 * high, so that certificate, identity bytes and PKI-ID have one form (msp/cert.go).
 *
 * @param curve - of the issuer's key
 * @returns the same object when nothing had to change
 */
export function sanitizeCertificate(certificate: Certificate, curve: Curve): Certificate {
  const low = toLowS(certificate.signature, curve)
  if (low === certificate.signature) return certificate
  const fields = new DerReader(certificate.der).sequence()
  const toBeSigned = fields.next().bytes
  const algorithm = fields.next().bytes
  const signature = derEncode(TAG.bitString, Buffer.of(0), low)
  return parseCertificate(derEncode(TAG.sequence, toBeSigned, algorithm, signature))
}
