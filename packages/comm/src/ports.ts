import type { Socket } from 'node:net'

/**
 * Keeps the identities of the network and signs and verifies with them. `@heddle/identity`'s
 * `Mapper` is one; any object with these methods will do.
 *
 * All calls are synchronous. `put` and `verify` throw when they refuse; whatever they throw becomes
 * the reason that the log and the remote peer see.
 */
export interface PeerMapper {
  /** Checks that `pkiId` belongs to `identity` and that the identity is valid, and remembers it. */
  put(pkiId: Uint8Array, identity: Uint8Array): void
  /** The PKI-ID of a serialized identity; undefined when the bytes are no identity. */
  pkiIdOf(identity: Uint8Array): Uint8Array | undefined
  /** Signs with this node's own key. */
  sign(message: Uint8Array): Uint8Array
  /** Throws unless `signature` is that of the known peer `pkiId` over `message`. */
  verify(pkiId: Uint8Array, signature: Uint8Array, message: Uint8Array): void
  /** Every known identity with its organisation; read only when a peer turns out to be another. */
  identityInfo(): Iterable<IdentityOrganization>
}

/** One line of {@link PeerMapper.identityInfo}. */
export interface IdentityOrganization {
  readonly pkiId: Uint8Array
  readonly organization: Uint8Array | undefined
}

/** An HTTP proxy that a connection goes through; those of `@heddle/deliver` are such. */
export interface HttpProxy {
  /** `host:port` of the proxy. */
  readonly address: string
  /** Turns `socket`, which is connected to the proxy, into a tunnel to `endpoint`, or rejects. */
  open(socket: Socket, endpoint: string): Promise<void>
}
