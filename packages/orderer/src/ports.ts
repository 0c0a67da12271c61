import type { AbortOptions } from '@heddle/interface'
import type { BlockSignature, Received, common } from '@heddle/proto'

/** What somebody signed, and with which identity: the input of a policy. */
export interface SignedData {
  /** `msp.SerializedIdentity` bytes: the creator named in the signature header. */
  readonly identity: Uint8Array
  /** The signed bytes: an envelope's payload, as received. */
  readonly data: Uint8Array
  /** DER-encoded ECDSA signature over SHA-256 of `data`. */
  readonly signature: Uint8Array
}

/** The outcome of a policy that was satisfied. */
export interface Grant {
  /** When the identity's certificate ends; streams are cut then. Absent means never. */
  readonly expiresAt?: Date | undefined
}

/** How an envelope is submitted. */
export interface SubmitOptions extends AbortOptions {
  /** What tells the client that hands it in from others: its TLS certificate, or without one its address. */
  readonly givenBy?: string
  /** Tells whose clients these are, many of which may be in one hand: the authority that their certificates end at. */
  readonly organization?: string
}

/**
 * One channel behind the services: it orders envelopes and gives out blocks.
 *
 * Met by a consenter and a ledger together (pbft + ledger), or by the memory chain of `./testing`.
 */
export interface Chain {
  /** The channel's id, as named in channel headers. */
  readonly channelId: string
  /** Grows with every change of configuration: a reader's access is judged anew when it did. */
  readonly configSequence: bigint
  /**
   * Orders `envelope`. Resolves when the transaction is in a durable block; the same envelope
   * again resolves too, without a second execution. Rejects with a `CodedError`, which the server
   * turns into a status (see `statusOf`); never throws.
   */
  submit(envelope: Received<common.Envelope>, options?: SubmitOptions): Promise<void>
  /** The number of blocks held: the next block's number. */
  height(): bigint
  /** The stored bytes of block `number`; undefined when there is none yet. */
  block(number: bigint): Promise<Uint8Array | undefined>
  /** The stored bytes of every block from `from` on, as they become durable; ends by `signal`. */
  follow(from: bigint, options?: AbortOptions): AsyncIterable<Uint8Array>
  /**
   * Whether the policy for `action` (`/Channel/Readers` or `/Channel/Writers`) holds for `signed`.
   * Rejects with a `CodedError` if not: FORBIDDEN. A chain whose `submit` checks the signature
   * itself may resolve a `write` at once, so that a signature is verified only once.
   */
  authorize(action: 'read' | 'write', signed: SignedData): Promise<Grant>
  /**
   * Aborted while the chain cannot order, its reason being why; a new signal after recovery.
   * Absent means that the chain never tells.
   */
  errored?(): AbortSignal
}

/** Finds the chain of a channel; undefined when there is none: NOT_FOUND. */
export type ChainLookup = (channelId: string) => Chain | undefined

/** How the block signatures of consenters travel. Messages may get lost, repeated or reordered. */
export interface SignatureNetwork {
  /** Sends `bytes` to every other consenter. Must not throw; may drop. */
  broadcast(bytes: Uint8Array): void
  /** Sends `bytes` to the consenter `to`. Must not throw; may drop. */
  send(to: number, bytes: Uint8Array): void
  /**
   * The consenter `from` sent a signature that does not verify. Each costs a verification: how many it may
   * send is for the network to bound. Must not throw.
   */
  refused?(from: number): void
}

/** Signs with this consenter's key: SHA-256, ECDSA P-256, DER, low S. */
export interface BlockSigner {
  /** The signature over exactly `message`, DER; a rejection goes to whoever wanted it. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/** Checks a signature with the key that the channel's configuration gives to consenter `id`. */
export interface BlockSignatureVerifier {
  /** False also for an unknown consenter; must not reject because of what a peer sent. */
  verify(id: number, message: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>
}

/** Where blocks that are complete already are found, to help a consenter behind. */
export interface SignatureArchive {
  /** What a quorum signed as block `number`; undefined when it is not stored, or not signed. */
  block(number: bigint): Promise<StoredBlock | undefined>
}

/** A block that is complete. */
export interface ArchivedBlock {
  readonly header: common.BlockHeader
  /** Slot 0's `Metadata.value`. */
  readonly value: Uint8Array
  readonly signatures: readonly BlockSignature[]
}

/** A block that is complete, read from where it is stored. */
export interface StoredBlock extends ArchivedBlock {
  /** How many bytes were read for it: the whole block. */
  readonly storedBytes: number
}
