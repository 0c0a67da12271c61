import type { Received, common } from '@heddle/proto'

/** What is stored already: where to go on from. */
export interface LedgerInfo {
  /** The number of blocks stored: the next block's number. */
  height(): bigint | Promise<bigint>
  /** The stored bytes of block `number`, 0 to height − 1; undefined when it is not there. */
  block(number: bigint): Promise<Uint8Array | undefined>
}

/** Where verified blocks go. */
export interface BlockSink {
  /**
   * Takes a block. Called in the order of the numbers, without a gap, once for each block, and one
   * call at a time. Resolves when the block is durable: only then does the height count it. After
   * a rejection the same block comes again later.
   */
  put(block: Received<common.Block>): Promise<void>
}

/** Signs requests and envelopes; `SigningIdentity` of @heddle/msp is one. */
export interface EnvelopeSigner {
  /** `msp.SerializedIdentity` bytes: goes into the signature header as the creator. */
  readonly serialized: Uint8Array
  /** DER-encoded ECDSA signature with low S over SHA-256 of `message`. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** For people: whose certificate it is. */
  readonly subject?: string
  /** When its certificate begins. Before, pulling blocks says so once, and signs, as Fabric does. */
  readonly notBefore?: Date
  /** When its certificate ends. Afterwards nothing is signed: services refuse it. */
  readonly expiresAt?: Date
}

/** A certificate and its key, PEM. */
export interface ClientTls {
  readonly certificate: string | Buffer
  readonly key: string | Buffer
}

/** A Broadcast and Deliver service. */
export interface Endpoint {
  /** `host:port`. */
  readonly address: string
  /** PEM: the authorities that vouch for the server; empty, when you give it so, means those of Node. */
  readonly roots: readonly (string | Buffer)[]
  /** The name that the server's certificate must carry, if it is not the host of `address`. */
  readonly serverName?: string
}
