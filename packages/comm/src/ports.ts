import type { Socket } from 'node:net'

/**
 * Keeps the identities of the network and signs and verifies with them. `@heddle/identity`'s
 * `Mapper` is one; any object with these methods will do.
 *
 * All calls are synchronous. `put`, `hold` and `verify` throw when they refuse; whatever they throw
 * becomes the reason that the log and the remote peer see.
 */
export interface PeerMapper {
  /** Checks that `pkiId` belongs to `identity` and that the identity is valid, and remembers it. */
  put(pkiId: Uint8Array, identity: Uint8Array): void
  /**
   * A connection holds the identity of its peer until it is over, so the identity is in use. It is
   * closed as soon as `onPurge` tells that the identity has gone, and why in one word: `expired`.
   * @returns what releases the identity; called once
   */
  hold(pkiId: Uint8Array, onPurge: (reason: string) => void): () => void
  /** The PKI-ID of a serialized identity; undefined when the bytes are not an identity. */
  pkiIdOf(identity: Uint8Array): Uint8Array | undefined
  /** Signs with this node's own key. */
  sign(message: Uint8Array): Uint8Array
  /** Throws unless `signature` is that of the known peer `pkiId` over `message`. */
  verify(pkiId: Uint8Array, signature: Uint8Array, message: Uint8Array): void
  /**
   * The organisation of an identity that is known or was; undefined for others. Asked when a peer
   * turns out to be another: one of its organisation has renewed its certificate.
   */
  organizationOf(pkiId: Uint8Array): Uint8Array | undefined
}

/** An HTTP proxy that a connection goes through; those of `@heddle/deliver` are such. */
export interface HttpProxy {
  /** `host:port` of the proxy. */
  readonly address: string
  /** Turns `socket`, which is connected to the proxy, into a tunnel to `endpoint`, or rejects. */
  open(socket: Socket, endpoint: string): Promise<void>
}
