import { createHash } from 'node:crypto'
import { blockProofOf, encodeFinished, resultsDigest } from '@heddle/client'
import {
  blockHeaderHash,
  buildBlock,
  create,
  encode,
  heddle,
  ordererMetadataValue,
} from '@heddle/proto'
import { nextStateDigest } from '@heddle/ledger'
import type { BlockSignature, common } from '@heddle/proto'
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

/** The bytes of the finished block. */
export function encodeCandidate(
  { block, execution, value }: Candidate,
  signatures: readonly BlockSignature[],
): Uint8Array {
  const { filter, results } = execution
  return encodeFinished({ block, value, signatures, filter, results })
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
