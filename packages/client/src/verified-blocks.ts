import { pullBlocks } from '@heddle/deliver'
import { blockHeaderHash } from '@heddle/proto'
import { transactionsOf } from './block-transactions.ts'
import { blockCheck } from './signed-content.ts'
import type { Endpoint } from '@heddle/deliver'
import type { AbortOptions, Clock, Logger, Metrics } from '@heddle/interface'
import type { common } from '@heddle/proto'
import type { BlockTransaction } from './block-transactions.ts'
import type { NetworkClient } from './network-client.ts'

/** A block whose hashes, signatures and results were checked. */
export interface VerifiedBlock {
  readonly number: bigint
  /** Hash of its header, hexadecimal: the next block names it. */
  readonly hash: string
  readonly transactions: readonly BlockTransaction[]
  /** All of it. */
  readonly block: common.Block
}

/** Which blocks are wanted. */
export interface BlocksOptions extends AbortOptions {
  /** Number of the first block: where to resume is one more than the last one taken. Default 0. */
  readonly from?: bigint | undefined
  /** Number of the last block. Default: the newest that there is, or none with `follow`. */
  readonly to?: bigint | undefined
  /** Whether to wait for blocks that are not there yet. Default false. */
  readonly follow?: boolean
}

/** From whom they are taken, and how patiently: what `pullBlocks` of @heddle/deliver takes. */
export interface PullingOptions {
  /** Default: all validators. */
  readonly endpoints?: readonly Endpoint[]
  readonly onlyGiven?: boolean
  readonly stallTimeoutMs?: number
  readonly maxFailures?: number
}

/** What reading the chain works with. */
export interface ReadingDeps {
  readonly client: Omit<NetworkClient, 'validators'>
  readonly clock: Clock
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/** Longest time between two attempts, in milliseconds. */
const maxBackOffMs = 1000

/**
 * Blocks in order, each verified: number, hashes, the signatures of a quorum, and every byte beside them by
 * what was signed. A validator that gives another block is passed over.
 *
 * @throws errors of @heddle/deliver; {@link ClientError} CLIENT_UNKNOWN_RULES; the reason of `signal`
 */
export async function* verifiedBlocks(
  { client, clock, logger, metrics }: ReadingDeps,
  { from = 0n, to, follow = false, signal }: BlocksOptions,
  pulling: PullingOptions = {},
): AsyncGenerator<VerifiedBlock> {
  const { channelId, endpoints, genesis, signer, tls } = client
  const blocks = pullBlocks(
    {
      ...{ signer, clock, checkBlock: blockCheck(genesis) },
      ...(logger && { logger }),
      ...(metrics && { metrics }),
    },
    {
      ...{ channelId, endpoints, configBlock: genesis, tls, from, follow, maxBackOffMs },
      ...(to === undefined ? {} : { to }),
      ...(signal && { signal }),
      ...pulling,
    },
  )
  for await (const { message } of blocks) yield verified(message)
}

function verified(block: common.Block): VerifiedBlock {
  const { header } = block
  return {
    number: header?.number ?? 0n,
    hash: header === undefined ? '' : blockHeaderHash(header).toString('hex'),
    transactions: transactionsOf(block),
    block,
  }
}
