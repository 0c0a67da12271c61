import type { Lifecycle } from '@heddle/interface'
import type { PurgeReason } from './options.ts'
import type { PeerIdentitySet } from './peer-identity-set.ts'

/**
 * Knows the identity behind each PKI-ID, and forgets those that are unused, expired or invalid.
 *
 * It can be used at once; expiry timers and the periodic purge run from `start` to `stop`. After
 * `stop` it still reads and verifies, and takes no new identity. The bytes it returns are its own:
 * do not change them.
 *
 * @see fabric v3.1.5 gossip/identity/identity.go
 */
export interface Mapper extends Lifecycle {
  /**
   * Checks that the identity is valid and is the one of `pkiId`, and keeps a copy. One that is
   * known already is left as it is, its time of use too.
   *
   * One certificate is known in one spelling at a time: a new one displaces the old. Where there is
   * no room, the identity displaces the one that was not used for the longest time. Who is held
   * ({@link hold}) is never displaced.
   *
   * @throws {IdentityError} IDENTITY_MISSING, _TOO_LARGE, _UNCLASSIFIABLE, _MISMATCH, _EXPIRED,
   *   _DUPLICATE, _FULL or _STOPPED
   * @throws what `validateIdentity` throws, unchanged
   */
  put(pkiId: Uint8Array, identity: Uint8Array): void
  /**
   * The serialized identity of `pkiId`; counts as a use.
   *
   * @throws {IdentityError} IDENTITY_NOT_FOUND when it is not known or has expired
   */
  get(pkiId: Uint8Array): Uint8Array
  /**
   * Keeps the identity in use, until the function returned is called: it is neither unused nor
   * displaced. A connection holds the identity of its peer.
   *
   * @param onPurge - told once if the identity goes nevertheless, expired or invalid; may call the
   *   mapper; what it throws is logged
   * @throws {IdentityError} IDENTITY_NOT_FOUND when it is not known or has expired
   */
  hold(pkiId: Uint8Array, onPurge: (reason: PurgeReason) => void): () => void
  /** Signs with the node's own key. */
  sign(message: Uint8Array): Uint8Array
  /**
   * Returns if `signature` is that of the peer over `message`; counts as a use.
   *
   * @throws {IdentityError} IDENTITY_NOT_FOUND when the peer is not known or has expired
   * @throws what `verify` of the message crypto service throws, unchanged
   */
  verify(pkiId: Uint8Array, signature: Uint8Array, message: Uint8Array): void
  /** The PKI-ID of a serialized identity; undefined when the bytes are not an identity. */
  pkiIdOf(identity: Uint8Array): Uint8Array | undefined
  /**
   * The organisation of an identity that is known, or was: of those that went, the last
   * `maxIdentities` are remembered. Undefined when the security advisor did not know it. Not a use.
   */
  organizationOf(pkiId: Uint8Array): Uint8Array | undefined
  /**
   * Validates again every identity that `predicate` suspects, purges those that are not valid any
   * more, and also purges the unused and the expired ones, about which nobody is asked.
   * The node's own identity is never unused. Being suspected is not a use.
   *
   * @returns how many were purged
   */
  suspectPeers(predicate: (identity: Uint8Array) => boolean): number
  /** All that is known, the node's own identity included; not a use. */
  identityInfo(): PeerIdentitySet
}
