import { createHash } from 'node:crypto'
import { LruCache } from './cache.ts'
import { parseCertificate, readSignedFrame } from './certificate.ts'
import { MspError } from './errors.ts'
import { readSerialized } from './identity.ts'
import { certificateBlock } from './pem.ts'
import { checkCanonical } from './signature.ts'

/**
 * Refuses an identity that has more than one encoding: the rule for identities from the network.
 *
 * The PEM block must be a CERTIFICATE (or bear no type), nothing may follow it, the certificate must
 * parse, and the issuer's signature on it must be canonical DER if it is ECDSA; other signatures have
 * one encoding only. Nothing is said about trust.
 *
 * @param serialized - a SerializedIdentity
 * @throws MspError `MSP_MALFORMED_IDENTITY`, `MSP_TRAILING_BYTES`, `MSP_NON_CANONICAL_SIGNATURE`,
 *   `MSP_UNSUPPORTED_CERTIFICATE`
 * @see fabric v3.1.5 msp/mspimpl.go, IsWellFormed
 */
export function checkWellFormed(serialized: Uint8Array): void {
  const { idBytes } = readSerialized(serialized)
  const { der, rest } = certificateBlock(idBytes)
  if (rest !== '') {
    throw new MspError('MSP_TRAILING_BYTES', 'bytes follow the PEM block of the identity')
  }
  const { algorithm, signature } = readSignedFrame(der)
  try {
    if (algorithm.key === 'ec') checkCanonical(signature)
  } catch (cause) {
    throw new MspError(
      'MSP_NON_CANONICAL_SIGNATURE',
      'the signature on the certificate is not canonical DER',
      { cause },
    )
  }
  parseCertificate(der)
}

/** Identities remembered as well-formed, 44 bytes each. */
export const maxWellFormedCached = 10_000

/** `check`, which is not asked again about the last {@link maxWellFormedCached} that passed it. */
export function remembering(
  check: (serialized: Uint8Array) => void,
): (serialized: Uint8Array) => void {
  const passed = new LruCache<true>(maxWellFormedCached)
  return (serialized) => {
    const key = createHash('sha256').update(serialized).digest('base64')
    if (passed.get(key) === true) return
    check(serialized)
    passed.set(key, true)
  }
}
