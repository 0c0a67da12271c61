import { constants, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { DerReader, TAG, oidText } from './der.ts'
import { shown } from './shown.ts'
import type { Curve } from './signature.ts'

/** How a certificate or a revocation list is signed. */
export interface SignatureAlgorithm {
  /** As people say it; the object identifier of one that is not known here. */
  readonly name: string
  /** The kind of key that it takes; undefined = not known here, so that it verifies nothing. */
  readonly key: 'ec' | 'rsa' | 'ed25519' | undefined
  /** Undefined for Ed25519, which has its own, and for what is not known. */
  readonly digest: string | undefined
  readonly pss: boolean
}

const digests: Readonly<Record<string, string>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

function plain(
  key: SignatureAlgorithm['key'],
  name: string,
  digest: string | undefined,
): SignatureAlgorithm {
  return { name, key, digest, pss: false }
}

const pssId = '1.2.840.113549.1.1.10'

const algorithms: Readonly<Record<string, SignatureAlgorithm>> = {
  '1.2.840.10045.4.1': plain('ec', 'ECDSA with SHA-1', 'sha1'),
  '1.2.840.10045.4.3.2': plain('ec', 'ECDSA with SHA-256', 'sha256'),
  '1.2.840.10045.4.3.3': plain('ec', 'ECDSA with SHA-384', 'sha384'),
  '1.2.840.10045.4.3.4': plain('ec', 'ECDSA with SHA-512', 'sha512'),
  '1.2.840.113549.1.1.5': plain('rsa', 'RSA with SHA-1', 'sha1'),
  '1.2.840.113549.1.1.11': plain('rsa', 'RSA with SHA-256', 'sha256'),
  '1.2.840.113549.1.1.12': plain('rsa', 'RSA with SHA-384', 'sha384'),
  '1.2.840.113549.1.1.13': plain('rsa', 'RSA with SHA-512', 'sha512'),
  '1.3.101.112': plain('ed25519', 'Ed25519', undefined),
}

/** RFC 4055 §3.1: the digest stands first in the parameters; mask and salt must fit it to verify. */
function pssAlgorithm(parameters: DerReader): SignatureAlgorithm {
  const hash = parameters.sequence().optional(0xa0)
  const id = hash && oidText(new DerReader(hash.content).sequence().next(TAG.oid))
  const digest = digests[id ?? '']
  if (digest === undefined)
    return plain(
      undefined,
      `RSA-PSS with digest ${id === undefined ? 'SHA-1' : shown(id)}`,
      undefined,
    )
  return { name: `RSA-PSS with ${digest.replace('sha', 'SHA-')}`, key: 'rsa', digest, pss: true }
}

/** Reads the content of an AlgorithmIdentifier; one that is not known here is no error. */
export function readAlgorithm(identifier: DerReader): SignatureAlgorithm {
  const id = oidText(identifier.next(TAG.oid))
  if (id === pssId) return pssAlgorithm(identifier)
  return algorithms[id] ?? plain(undefined, `algorithm ${shown(id)}`, undefined)
}

/** What an issuer signed: the frame of a certificate or a revocation list. */
export interface Signed {
  readonly toBeSigned: Buffer
  readonly algorithm: SignatureAlgorithm
  readonly signature: Buffer
}

/** Go's crypto/rsa verifies nothing with a shorter modulus, in bits. */
const minRsaBits = 1024

/**
 * Whether the owner of `key` signed; any S of ECDSA is accepted, as in Go.
 *
 * @param key - undefined when it is of a kind that is not known here: then never
 * @see Go crypto/x509, checkSignature
 */
export function isSignedWith(
  { toBeSigned, algorithm, signature }: Signed,
  key: KeyObject | undefined,
): boolean {
  if (key === undefined || algorithm.key === undefined) return false
  if (key.asymmetricKeyType !== algorithm.key) return false
  const bits = key.asymmetricKeyDetails?.modulusLength ?? minRsaBits
  if (bits < minRsaBits) return false
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants
  const how = algorithm.pss ? { key, padding, saltLength } : key
  return verify(algorithm.digest, toBeSigned, how, signature)
}

const curveNames: Readonly<Record<string, Curve>> = {
  secp224r1: 'P-224',
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
}

/** The curve of an ECDSA key; undefined for other keys, and on other curves. */
export function curveOf(key: KeyObject | undefined): Curve | undefined {
  return curveNames[key?.asymmetricKeyDetails?.namedCurve ?? '']
}

const keyNames: Readonly<Record<string, string>> = {
  rsa: 'RSA',
  'rsa-pss': 'RSA-PSS',
  ed25519: 'Ed25519',
  ed448: 'Ed448',
  dsa: 'DSA',
}

/** What kind of key it is, as people say it: `ECDSA P-256`, `RSA 2048 bits`. */
export function keyName(key: KeyObject | undefined): string {
  if (key === undefined) return 'unknown'
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'ec') return `ECDSA ${curveOf(key) ?? namedCurve ?? ''}`.trim()
  const name = keyNames[key.asymmetricKeyType ?? ''] ?? key.asymmetricKeyType ?? 'secret'
  return modulusLength === undefined ? name : `${name} ${modulusLength} bits`
}
