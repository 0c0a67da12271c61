import { createHash } from 'node:crypto'
import {
  blockHeaderHash,
  blockMetadata,
  buildBlock,
  common,
  create,
  decode,
  encode,
  heddle,
  ordererMetadataValue,
} from '@heddle/proto'
import { nextStateDigest } from '@heddle/ledger'
import type { BlockSignature } from '@heddle/proto'
import { PeerError } from '../errors.ts'
import { switchJudge } from '../switch/switch.ts'
import type { StatePoint } from '@heddle/pbft'
import type { Execution, Rules } from '../rules/rules.ts'
import type { StateView } from '../rules/state-view.ts'
import type { OfferVerifier } from '../switch/offer.ts'
import type { TransactionReader } from './transaction.ts'

/** Where a chain ends: what the next block continues. */
export interface ChainTip {
  /** Number of blocks. */
  readonly height: bigint
  /** Hash of the header of the last block. */
  readonly headerHash: Uint8Array
  /** Last executed sequence number. */
  readonly sequence: bigint
  /** Digest over all changes of the state. */
  readonly stateDigest: Uint8Array
}

/** A block that was executed and still lacks the signatures of a quorum. */
export interface Candidate {
  readonly header: common.BlockHeader
  /** Header and data, without metadata yet. */
  readonly block: common.Block
  readonly execution: Execution
  /** The signed value of metadata slot 0; with {@link heddle.BlockProof} inside. */
  readonly value: Uint8Array
  /** The chain with this block. */
  readonly tip: ChainTip
}

/** Number of the last configuration block: this version has only the genesis block. */
const lastConfig = 0n

/** What the consensus signs in checkpoints: it covers all blocks and all changes of the state. */
export function checkpointDigest(tip: Pick<ChainTip, 'headerHash' | 'stateDigest'>): Uint8Array {
  return createHash('sha256').update(tip.headerHash).update(tip.stateDigest).digest()
}

/** What became of the transactions of a block: metadata that the signatures cover by a digest. */
export interface Results {
  /** A `protos.TxValidationCode` for each transaction. */
  readonly filter: Uint8Array
  /** Encoded `heddle.TransactionResults`. */
  readonly results: Uint8Array
}

/** What the proof of a block says of its results. */
export function resultsDigest({ filter, results }: Results): Uint8Array {
  // The filter has one byte for each envelope of the block, so the border between both is known.
  return createHash('sha256').update(filter).update(results).digest()
}

/** What the execution of a batch starts from. */
export interface CandidateDeps {
  readonly before: ChainTip
  /** The state at `before`. */
  readonly state: StateView
  readonly reader: TransactionReader
  /** Of the offers in switches of rules. */
  readonly offers: OfferVerifier
  /** Those in force in this state. */
  readonly rules: Rules
}

/** The transactions of a block, and the place that the consensus gave them. */
export interface Batch {
  readonly sequence: bigint
  readonly envelopes: readonly Uint8Array[]
}

/** The number of the rules that a proof names. */
export function rulesNumberOf({ rules }: heddle.BlockProof): number {
  return rules === 0 ? 1 : rules
}

/** The block, without signatures, of a batch that gave `execution`. */
export function candidateOf(
  { before, rules }: Pick<CandidateDeps, 'before' | 'rules'>,
  { sequence, envelopes }: Batch,
  execution: Execution,
): Candidate {
  const number = before.height
  const stateDigest = nextStateDigest(before.stateDigest, number + 1n, execution.changes)
  const block = buildBlock({ number, previousHash: before.headerHash, envelopes })
  if (block.header === undefined)
    throw new PeerError('PEER_LEDGER_FAILED', 'a block without header')
  const proof = create(heddle.BlockProofSchema, {
    sequence,
    stateDigest,
    resultsDigest: resultsDigest(execution),
    rules: rules.number === 1 ? 0 : rules.number,
  })
  return {
    header: block.header,
    block,
    execution,
    value: ordererMetadataValue(lastConfig, encode(heddle.BlockProofSchema, proof)),
    tip: {
      height: number + 1n,
      headerHash: blockHeaderHash(block.header),
      sequence,
      stateDigest,
    },
  }
}

/** Executes a batch on top of a chain and builds the block, without signatures. */
export function buildCandidate(deps: CandidateDeps, batch: Batch): Candidate {
  const { before, rules, state, reader, offers } = deps
  const judge = switchJudge(offers, before.height)
  return candidateOf(deps, batch, rules.execute(batch.envelopes, state, reader, judge))
}

/** All that a finished block is made of. */
export interface FinishedBlock extends Results {
  /** Its header and data count. */
  readonly block: common.Block
  /** The signed value of metadata slot 0. */
  readonly value: Uint8Array
  readonly signatures: readonly BlockSignature[]
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

/** The bytes of the finished block. */
export function encodeCandidate(
  { block, execution, value }: Candidate,
  signatures: readonly BlockSignature[],
): Uint8Array {
  const { filter, results } = execution
  return encodeFinished({ block, value, signatures, filter, results })
}

/** The signatures of a block. Throws `ProtoMalformedError` when slot 0 is damaged. */
export function signaturesOf(block: common.Block): BlockSignature[] {
  const slot = block.metadata?.metadata[slots.signatures] ?? new Uint8Array()
  return decode(common.MetadataSchema, slot).signatures.map(({ identifierHeader, signature }) => ({
    identifierHeader,
    signature,
  }))
}

/** Metadata slots that this package reads. */
const slots = { signatures: 0, filter: 2, results: 5 } as const

/** The signed value of a block. Throws `ProtoMalformedError` when slot 0 is damaged. */
export function signedValueOf(block: common.Block): Uint8Array {
  const slot = block.metadata?.metadata[slots.signatures] ?? new Uint8Array()
  return decode(common.MetadataSchema, slot).value
}

/** The proof inside a block's signed value. */
export function blockProofOf(block: common.Block): heddle.BlockProof {
  const value = decode(common.OrdererBlockMetadataSchema, signedValueOf(block))
  return decode(heddle.BlockProofSchema, value.consenterMetadata)
}

/**
 * The state after a stored block of an executed batch, as the consensus counts it. Throws
 * `ProtoMalformedError` when its metadata is damaged.
 */
export function stateAfter(block: common.Block): StatePoint {
  const { sequence, stateDigest } = blockProofOf(block)
  const headerHash = block.header === undefined ? new Uint8Array() : blockHeaderHash(block.header)
  return { sequence, digest: checkpointDigest({ headerHash, stateDigest }) }
}

/** What the metadata of a block says, whoever wrote it there: `signedContentOf` checks it. */
export function resultsOf(block: common.Block): Results {
  const metadata = block.metadata?.metadata ?? []
  return {
    filter: metadata[slots.filter] ?? new Uint8Array(),
    results: metadata[slots.results] ?? new Uint8Array(),
  }
}
