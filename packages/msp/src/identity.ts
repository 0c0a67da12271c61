import { createHash, verify } from 'node:crypto'
import type { KeyObject, X509Certificate } from 'node:crypto'
import { create, decode, encode, msp } from '@heddle/proto'
import { keyName } from './algorithm.ts'
import type { Certificate } from './certificate.ts'
import { MspError } from './errors.ts'
import { shown } from './shown.ts'
import { signatureFault } from './signature.ts'
import type { Curve } from './signature.ts'

/** What a NodeOU makes of a member; `member` is everybody. */
export type Role = 'client' | 'peer' | 'admin' | 'orderer'

/** Serialized identities of more bytes than this are refused before they are parsed. */
export const maxIdentityBytes = 64 * 1024

/** A serialized identity taken apart. */
export interface SerializedParts {
  readonly mspId: string
  readonly idBytes: Uint8Array
}

/**
 * MSP id and id bytes (PEM) of a SerializedIdentity.
 *
 * @returns views into `serialized`
 * @throws MspError `MSP_MALFORMED_IDENTITY` when it is empty, too long or no such message
 */
export function readSerialized(serialized: Uint8Array): SerializedParts {
  if (serialized.length === 0 || serialized.length > maxIdentityBytes) {
    throw new MspError(
      'MSP_MALFORMED_IDENTITY',
      `an identity of ${serialized.length} bytes; 1 to ${maxIdentityBytes} are allowed`,
    )
  }
  try {
    const message = decode(msp.SerializedIdentitySchema, serialized)
    return { mspId: message.mspid, idBytes: message.idBytes }
  } catch (cause) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'not a SerializedIdentity', { cause })
  }
}

/** The SerializedIdentity message of an MSP id and a certificate in PEM, encoded. */
export function serializeIdentity(mspId: string, idBytes: Uint8Array): Uint8Array {
  return encode(
    msp.SerializedIdentitySchema,
    create(msp.SerializedIdentitySchema, { mspid: mspId, idBytes }),
  )
}

/**
 * The PKI-ID of an identity: SHA-256(mspId ‖ id bytes as they are), 32 bytes. Nothing is validated.
 *
 * @param serialized - a SerializedIdentity
 * @returns undefined when it is empty or cannot be decoded
 * @see fabric v3.0.0 internal/peer/gossip/mcs.go, GetPKIidOfCert
 */
export function pkiIdOf(serialized: Uint8Array): Uint8Array | undefined {
  try {
    const { mspId, idBytes } = readSerialized(serialized)
    return createHash('sha256').update(mspId).update(idBytes).digest()
  } catch (error) {
    if (error instanceof MspError) return undefined
    throw error
  }
}

/** What an MSP knows about an identity when it makes one. Internal. */
export interface IdentityParts {
  readonly mspId: string
  readonly serialized: Uint8Array
  readonly certificate: Certificate
  readonly certifiersId: Uint8Array
  readonly roles: readonly Role[]
}

/**
 * An X.509 identity whose certificate chains to its MSP. An {@link Msp} makes it; being one does not
 * mean being valid: ask `Msp.validate`.
 */
export class Identity {
  readonly mspId: string
  /** The SerializedIdentity message as it was received. */
  readonly serialized: Uint8Array
  /** Its certificate in PEM, as it was received. */
  readonly idBytes: Uint8Array
  /** {@link pkiIdOf} `serialized`. */
  readonly pkiId: Uint8Array
  /** SHA-256 of the certificate, lower-case hex: two identities with the same `id` are one. */
  readonly id: string
  /** The certificate, with the CA's signature in low-S form. */
  readonly certificate: X509Certificate
  /** The certificate's subject for people, as Go writes it: `CN=peer0,OU=peer,O=org1`; 256 characters at most. */
  readonly subject: string
  readonly notBefore: Date
  /** End of the certificate's validity. */
  readonly expiresAt: Date
  /** Organisational units of the certificate's subject, in its order. */
  readonly organizationalUnits: readonly string[]
  /** SHA-256 of the chain above the certificate: what an ORGANIZATION_UNIT principal names. */
  readonly certifiersId: Uint8Array
  /** What the MSP's NodeOUs and list of administrators make of it. Means nothing until validated. */
  readonly roles: readonly Role[]
  readonly #key: KeyObject | undefined
  readonly #curve: Curve | undefined

  constructor(parts: IdentityParts) {
    const { mspId, idBytes } = readSerialized(parts.serialized)
    this.mspId = mspId
    this.serialized = parts.serialized
    this.idBytes = idBytes
    this.pkiId = createHash('sha256').update(mspId).update(idBytes).digest()
    this.id = createHash('sha256').update(parts.certificate.der).digest('hex')
    this.certificate = parts.certificate.x509
    this.subject = parts.certificate.subjectText
    this.notBefore = parts.certificate.notBefore
    this.expiresAt = parts.certificate.notAfter
    this.organizationalUnits = parts.certificate.organizationalUnits
    this.certifiersId = parts.certifiersId
    this.roles = parts.roles
    this.#key = parts.certificate.publicKey
    this.#curve = parts.certificate.curve
  }

  /**
   * Checks an ECDSA signature over SHA-256 of `message`, about 70 µs on the calling thread.
   *
   * @param signature - DER with low S
   * @throws MspError `MSP_MALFORMED_SIGNATURE`, `MSP_HIGH_S` or `MSP_BAD_SIGNATURE`;
   *   `MSP_UNSUPPORTED_CERTIFICATE` when the key of the identity is not ECDSA
   */
  checkSignature(message: Uint8Array, signature: Uint8Array): void {
    const key = this.#verifyingKey(signature)
    if (key instanceof MspError) throw key
    if (!verify('sha256', message, key, signature)) {
      throw new MspError(
        'MSP_BAD_SIGNATURE',
        `signature is not by ${shown(this.subject)} of ${shown(this.mspId)}`,
      )
    }
  }

  /** As {@link checkSignature}, as a yes or no. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    const key = this.#verifyingKey(signature)
    return !(key instanceof MspError) && verify('sha256', message, key, signature)
  }

  /**
   * As {@link verify}, on the thread pool: 16 or more at a time use all cores, and the event loop
   * stays free. Neither array may be changed before the promise settles. Never rejects.
   */
  verifyAsync(message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    const key = this.#verifyingKey(signature)
    if (key instanceof MspError) return Promise.resolve(false)
    return new Promise((resolve) => {
      verify('sha256', message, key, signature, (error, valid) => {
        resolve(error === null && valid)
      })
    })
  }

  /** The key, or why `signature` need not be verified with it. */
  #verifyingKey(signature: Uint8Array): KeyObject | MspError {
    if (this.#key === undefined || this.#curve === undefined) {
      return unsupportedKey(this.subject, this.#key)
    }
    return signatureFault(signature, this.#curve) ?? this.#key
  }
}

/** Why an identity with that key cannot sign: Fabric's MSP refuses it as well. */
export function unsupportedKey(subject: string, key: KeyObject | undefined): MspError {
  return new MspError(
    'MSP_UNSUPPORTED_CERTIFICATE',
    `certificate ${shown(subject)} has a key (${keyName(key)}) that is not ECDSA`,
  )
}
