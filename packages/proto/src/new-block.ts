import { create } from '@bufbuild/protobuf'
import { blockDataHash } from './block.ts'
import { encode } from './codec.ts'
import * as common from './common.ts'

/** A consenter's signature over a block, as it stands in the block's metadata (BFT form). */
export interface BlockSignature {
  /** Encoded `common.IdentifierHeader`: the consenter's id and a nonce. */
  readonly identifierHeader: Uint8Array
  /** DER-encoded ECDSA signature over SHA-256 of the signature preimage. */
  readonly signature: Uint8Array
}

/** What goes into a new block; see {@link buildBlock}. */
export interface BlockContents {
  /** The block's number; 0 for the first of a channel. */
  readonly number: bigint
  /** SHA-256 of the header of the block before (`blockHeaderHash`); empty for block 0. */
  readonly previousHash: Uint8Array
  /** The envelopes, in order, as received: their bytes go in untouched. */
  readonly envelopes: readonly Uint8Array[]
  /** Metadata slots; see {@link blockMetadata}. Default: five empty ones. */
  readonly metadata?: readonly Uint8Array[]
}

/**
 * Builds a block: its data hash is SHA-256 of the envelopes' bytes one after another.
 *
 * @see fabric v3.0.0 protoutil/blockutils.go (ComputeBlockDataHash)
 */
export function buildBlock(contents: BlockContents): common.Block {
  return create(common.BlockSchema, {
    header: {
      number: contents.number,
      previousHash: contents.previousHash,
      dataHash: blockDataHash(contents.envelopes),
    },
    data: { data: [...contents.envelopes] },
    metadata: { metadata: [...(contents.metadata ?? blockMetadata({}))] },
  })
}

/** The values of a block's metadata slots; a slot not given is empty. */
export interface BlockMetadataSlots {
  /** Slot 0, SIGNATURES: the signed value and the signatures over it. */
  readonly signatures?: {
    readonly value: Uint8Array
    readonly signatures?: readonly BlockSignature[]
  }
  /** Slot 2, TRANSACTIONS_FILTER: one `protos.TxValidationCode` byte for each envelope. */
  readonly transactionsFilter?: Uint8Array
  /** Slot 3, ORDERER: of the consenter; deprecated in Fabric. */
  readonly orderer?: Uint8Array
  /** Slot 4, COMMIT_HASH: the raw hash, wrapped into `common.Metadata` here. */
  readonly commitHash?: Uint8Array
  /** Slot 5 and above: not known to Fabric, kept by it. */
  readonly more?: readonly Uint8Array[]
}

const empty = new Uint8Array(0)

/**
 * The metadata slots of a block, at least the five that Fabric demands.
 *
 * @see fabric v3.0.0 common/common.proto (BlockMetadataIndex)
 */
export function blockMetadata(slots: BlockMetadataSlots): Uint8Array[] {
  const { signatures, transactionsFilter, orderer, commitHash, more } = slots
  return [
    signatures === undefined
      ? empty
      : signaturesSlot(signatures.value, signatures.signatures ?? []),
    empty, // LAST_CONFIG: since Fabric v1.4.1 inside the signed value
    transactionsFilter ?? empty,
    orderer ?? empty,
    commitHash === undefined
      ? empty
      : encode(common.MetadataSchema, create(common.MetadataSchema, { value: commitHash })),
    ...(more ?? []),
  ]
}

/**
 * Slot 0 of a block's metadata: `value` and the consenters' signatures over it, in BFT form.
 *
 * @see fabric v3.0.0 common/common.proto (Metadata, MetadataSignature)
 */
export function signaturesSlot(
  value: Uint8Array,
  signatures: readonly BlockSignature[],
): Uint8Array {
  const message = create(common.MetadataSchema, {
    value,
    signatures: signatures.map(({ identifierHeader, signature }) =>
      create(common.MetadataSignatureSchema, { identifierHeader, signature }),
    ),
  })
  return encode(common.MetadataSchema, message)
}

/**
 * The signed value of slot 0: `common.OrdererBlockMetadata`.
 *
 * @param lastConfig - number of the newest configuration block up to and including this block
 * @param consenterMetadata - bytes of the consenter, such as a proof of agreement
 * @see fabric v3.0.0 common/common.proto (OrdererBlockMetadata)
 */
export function ordererMetadataValue(
  lastConfig: bigint,
  consenterMetadata: Uint8Array = empty,
): Uint8Array {
  const message = create(common.OrdererBlockMetadataSchema, {
    lastConfig: { index: lastConfig },
    consenterMetadata,
  })
  return encode(common.OrdererBlockMetadataSchema, message)
}

/**
 * What a consenter signs: `value ‖ signer ‖ headerBytes`.
 *
 * @param value - slot 0's `Metadata.value`, as it stands in the block
 * @param signer - of a BFT channel the encoded `common.IdentifierHeader`, of a CFT channel the encoded
 *   `common.SignatureHeader`
 * @param headerBytes - the header's ASN.1 DER (`blockHeaderBytes`)
 * @see fabric v3.0.0 protoutil/blockutils.go (BlockSignatureVerifier)
 */
export function blockSignaturePreimage(
  value: Uint8Array,
  signer: Uint8Array,
  headerBytes: Uint8Array,
): Uint8Array {
  return Buffer.concat([value, signer, headerBytes])
}
