import type { AbortOptions } from '@heddle/interface'
import { type Received, common, decode } from '@heddle/proto'
import type { Position } from './block-check.ts'
import { type PullContext, type PullTask, pull } from './block-puller.ts'
import { trustedConfig } from './block-verifier.ts'
import {
  type PullDeps,
  type PullOptions,
  knownPullOptions,
  resolvePullOptions,
} from './deliver-options.ts'
import { lastBlockNumber } from './envelope.ts'
import { type Known, refuseUnknown } from './refuse-unknown.ts'
import { type FetchBlock, type Trusted, assertReachable, fetchBlock, locate } from './locate.ts'

/** Which blocks, and how long to try. */
export interface PullBlocksOptions extends PullOptions, AbortOptions {
  /** A configuration block that is trusted, encoded or decoded: block 0, or a later one. */
  readonly configBlock: Uint8Array | common.Block
  /** The first block. Default 0n. */
  readonly from?: bigint
  /** The last block. Default: the newest that there is, or none with `follow`. */
  readonly to?: bigint
  /** Whether to wait for blocks that are not there yet. Default false. */
  readonly follow?: boolean
  /** Failures in a row after which it rejects. Default 10, or never with `follow`. */
  readonly maxFailures?: number
}

const known: Known<PullBlocksOptions> = {
  ...knownPullOptions,
  ...{ configBlock: true, from: true, to: true, follow: true, maxFailures: true, signal: true },
}

/**
 * Pulls blocks of a channel, verified and in order, from whichever endpoint works.
 *
 * Without `follow` it ends after the newest block there is, or after `to`, which must be there or
 * is waited for. Breaking out of the loop ends the stream.
 *
 * @throws at once: {@link DeliverError} DELIVER_INVALID_OPTIONS, and {@link BlockError} DELIVER_CONFIG
 *   when `configBlock` cannot be used or `from` lies before it. The generator: whatever failed last
 *   after `maxFailures`; `signal.reason` on abort
 */
export function pullBlocks(
  deps: PullDeps,
  options: PullBlocksOptions,
): AsyncGenerator<Received<common.Block>> {
  refuseUnknown(options, known)
  const { from = 0n, follow = false, to = follow ? lastBlockNumber : 'newest' } = options
  const maxFailures = options.maxFailures ?? (follow ? Infinity : 10)
  const context = resolvePullOptions(deps, options, maxFailures)
  const signal = options.signal ?? new AbortController().signal
  const block =
    options.configBlock instanceof Uint8Array
      ? decode(common.BlockSchema, options.configBlock)
      : options.configBlock
  const trusted = { block, config: trustedConfig(options.channelId, block) }
  assertReachable(from, trusted)
  return blocksFrom({ trusted, from, to }, context, signal)
}

async function* blocksFrom(
  {
    trusted,
    from,
    to,
  }: { readonly trusted: Trusted; readonly from: bigint; readonly to: bigint | 'newest' },
  context: PullContext,
  signal: AbortSignal,
): AsyncGenerator<Received<common.Block>> {
  let reached: Position | undefined
  const task: PullTask = {
    config: () => reached?.config ?? trusted.config,
    position: async (endpoint, turn) => {
      const fetch: FetchBlock = (number) => fetchBlock(number, endpoint, context, turn)
      return (reached ??= await locate({ trusted, from }, fetch))
    },
    stop: to,
  }
  for await (const accepted of pull(task, context, signal)) {
    yield accepted.block
    reached = accepted.after
  }
}
