/**
 * What the mapper needs to judge identities and to sign. `@heddle/msp` makes one.
 *
 * An identity is a serialized `msp.SerializedIdentity`. All calls are synchronous; the bytes passed
 * in belong to the caller and are not kept.
 *
 * @see fabric v3.1.5 gossip/api/crypto.go
 */
export interface MessageCryptoService {
  /** SHA-256 of MSP id and certificate bytes; undefined when the bytes are not an identity. */
  pkiIdOf(identity: Uint8Array): Uint8Array | undefined
  /**
   * The digest of the certificate in an identity: the same for every spelling (line ends, encodings
   * of the issuer's signature) that `validateIdentity` lets pass. Undefined when there is none.
   */
  certificateDigest(identity: Uint8Array): Uint8Array | undefined
  /** Throws, with the reason, unless an MSP vouches for the identity now. */
  validateIdentity(identity: Uint8Array): void
  /** When the identity expires; undefined: never. Throws when it cannot tell. */
  expiration(identity: Uint8Array): Date | undefined
  /** Signs with the node's own key. */
  sign(message: Uint8Array): Uint8Array
  /** Throws unless `signature` is that of `identity` over `message`. */
  verify(identity: Uint8Array, signature: Uint8Array, message: Uint8Array): void
  /** As `verify`; besides, the identity must be one that may read `channel`. */
  verifyByChannel(
    channel: string,
    identity: Uint8Array,
    signature: Uint8Array,
    message: Uint8Array,
  ): void
}

/** Tells to which organisation an identity belongs. */
export interface SecurityAdvisor {
  /** The MSP id of the identity, as UTF-8; undefined when no known MSP takes it. Never throws. */
  orgOf(identity: Uint8Array): Uint8Array | undefined
}
