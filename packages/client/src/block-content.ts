import { createHash } from 'node:crypto'
import { blockMetadata, common, create, decode, encode, heddle } from '@heddle/proto'
import type { BlockSignature } from '@heddle/proto'

/** What became of the transactions of a block: metadata that the signatures cover by a digest. */
export interface Results {
  /** A `protos.TxValidationCode` for each transaction. */
  readonly filter: Uint8Array
  /** Encoded `heddle.TransactionResults`. */
  readonly results: Uint8Array
}

/** All that a finished block is made of. */
export interface FinishedBlock extends Results {
  /** Its header and data count. */
  readonly block: common.Block
  /** The signed value of metadata slot 0. */
  readonly value: Uint8Array
  readonly signatures: readonly BlockSignature[]
}

/** Metadata slots that a block of Heddle's has. */
const slots = { signatures: 0, filter: 2, results: 5 } as const

/** What the proof of a block says of its results. */
export function resultsDigest({ filter, results }: Results): Uint8Array {
  // The filter has one byte for each envelope of the block, so the border between both is known.
  return createHash('sha256').update(filter).update(results).digest()
}

/** The bytes of a finished block: there is one encoding. */
export function encodeFinished(finished: FinishedBlock): Uint8Array {
  const { value, signatures, filter, results } = finished
  const metadata = blockMetadata({
    signatures: { value, signatures },
    transactionsFilter: filter,
    more: [results],
  })
  const { header, data } = finished.block
  const parts = { ...(header && { header }), ...(data && { data }), metadata: { metadata } }
  return encode(common.BlockSchema, create(common.BlockSchema, parts))
}

/** The signatures of a block. Throws `ProtoMalformedError` when slot 0 is damaged. */
export function signaturesOf(block: common.Block): BlockSignature[] {
  const slot = block.metadata?.metadata[slots.signatures] ?? new Uint8Array()
  return decode(common.MetadataSchema, slot).signatures.map(({ identifierHeader, signature }) => ({
    identifierHeader,
    signature,
  }))
}

/** The signed value of a block. Throws `ProtoMalformedError` when slot 0 is damaged. */
export function signedValueOf(block: common.Block): Uint8Array {
  const slot = block.metadata?.metadata[slots.signatures] ?? new Uint8Array()
  return decode(common.MetadataSchema, slot).value
}

/** The proof inside a block's signed value. Throws `ProtoMalformedError` when it is damaged. */
export function blockProofOf(block: common.Block): heddle.BlockProof {
  const value = decode(common.OrdererBlockMetadataSchema, signedValueOf(block))
  return decode(heddle.BlockProofSchema, value.consenterMetadata)
}

/** The number of the rules that a proof names. */
export function rulesNumberOf({ rules }: heddle.BlockProof): number {
  return rules === 0 ? 1 : rules
}

/** What the metadata of a block says, whoever wrote it there: `signedContentOf` checks it. */
export function resultsOf(block: common.Block): Results {
  const metadata = block.metadata?.metadata ?? []
  return {
    filter: metadata[slots.filter] ?? new Uint8Array(),
    results: metadata[slots.results] ?? new Uint8Array(),
  }
}
