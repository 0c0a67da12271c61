import { keyOf } from './bytes.ts'
import { IdentityError, causedError } from './errors.ts'
import type { MessageCryptoService } from './ports.ts'

/** What {@link checkIdentity} finds out. */
export interface CheckedIdentity {
  /** The wall time at which it expires, undefined for never; it may be in the past. */
  readonly expiresAt: number | undefined
  /** Digest of the certificate in hex, the same however the identity spells it. */
  readonly certificate: string
}

/**
 * All checks of an identity that need no knowledge of others, in Fabric's order: the cheap ones,
 * then when it expires, whether it is valid, whether the PKI-ID is its own.
 *
 * @throws {IdentityError} and what `validateIdentity` throws, unchanged
 * @see fabric v3.1.5 gossip/identity/identity.go (Put)
 */
export function checkIdentity(
  crypto: MessageCryptoService,
  pkiId: Uint8Array,
  identity: Uint8Array,
  maxIdentityBytes: number,
): CheckedIdentity {
  if (pkiId.length === 0) throw new IdentityError('IDENTITY_MISSING', 'the PKI-ID is empty')
  if (identity.length === 0) throw new IdentityError('IDENTITY_MISSING', 'the identity is empty')
  if (identity.length > maxIdentityBytes) {
    const message = `an identity of ${identity.length} bytes; at most ${maxIdentityBytes} are allowed`
    throw new IdentityError('IDENTITY_TOO_LARGE', message)
  }
  const expiresAt = expirationOf(crypto, identity)
  crypto.validateIdentity(identity)
  const computed = crypto.pkiIdOf(identity)
  if (computed === undefined || keyOf(computed) !== keyOf(pkiId)) {
    throw new IdentityError('IDENTITY_MISMATCH', "the identity doesn't match the PKI-ID")
  }
  const digest = crypto.certificateDigest(identity)
  if (digest !== undefined) return { expiresAt, certificate: keyOf(digest) }
  throw new IdentityError('IDENTITY_UNCLASSIFIABLE', 'the identity has no certificate')
}

function expirationOf(crypto: MessageCryptoService, identity: Uint8Array): number | undefined {
  let expiresAt: number | undefined
  try {
    expiresAt = crypto.expiration(identity)?.getTime()
  } catch (cause) {
    throw causedError('IDENTITY_UNCLASSIFIABLE', 'failed classifying identity', cause)
  }
  // An invalid Date compares as if it never came.
  if (!Number.isNaN(expiresAt)) return expiresAt
  const message = 'failed classifying identity: its expiry is not a valid time'
  throw new IdentityError('IDENTITY_UNCLASSIFIABLE', message)
}
