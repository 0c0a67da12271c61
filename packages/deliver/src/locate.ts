import type { ChannelConfig } from '@heddle/channel'
import { type Received, type common, orderer } from '@heddle/proto'
import { type Position, lastConfigOf, positionAfter } from './block-check.ts'
import { type BlockStreamContext, blockStream } from './block-stream.ts'
import { beginCheck, genesisPosition } from './block-verifier.ts'
import { BlockError, DeliverError } from './errors.ts'
import type { Endpoint } from './ports.ts'

/** A configuration block that is trusted, and what it holds. */
export interface Trusted {
  readonly block: common.Block
  readonly config: ChannelConfig
}

/** How many changes of configuration are followed to reach a block; one stream each. */
export const maxConfigHops = 1000

/** Gets a block by its number, unverified. */
export type FetchBlock = (number: bigint) => Promise<Received<common.Block>>

interface Search {
  readonly trusted: Trusted
  readonly fetch: FetchBlock
  hops: number
}

/**
 * The position before block `from`, so that it can be verified without all blocks before it.
 *
 * The block before `from` names the configuration that it is under; that configuration block is
 * verified in the same way, down to the trusted one.
 *
 * @throws {BlockError} DELIVER_CONFIG when `from` lies before the trusted configuration or after
 *   more than {@link maxConfigHops} others; or what is wrong with a block
 */
export async function locate(
  { trusted, from }: { trusted: Trusted; from: bigint },
  fetch: FetchBlock,
): Promise<Position> {
  return positionBefore(from, { trusted, fetch, hops: 0 })
}

async function positionBefore(from: bigint, search: Search): Promise<Position> {
  const { trusted, fetch } = search
  const known = trusted.config.blockNumber
  assertReachable(from, trusted)
  if (from === 0n) return genesisPosition(trusted.block, trusted.config)
  if (from === known + 1n && trusted.block.header) {
    return positionAfter(trusted.block.header, trusted.config)
  }
  search.hops++
  if (search.hops > maxConfigHops) throw unusable('too many configurations lie in between')
  const before = await fetch(from - 1n)
  const position = await positionOf(before, from - 1n, search)
  const { verified, after } = beginCheck(position, before)
  await verified
  return after
}

/** @throws {BlockError} DELIVER_CONFIG when `from` lies before the trusted configuration */
export function assertReachable(from: bigint, { config: { blockNumber } }: Trusted): void {
  if (from > blockNumber || blockNumber === 0n) return
  throw unusable(`block ${String(from)} does not come after its own block, ${String(blockNumber)}`)
}

/** The position at which block `number` itself can be verified. */
async function positionOf(
  block: Received<common.Block>,
  number: bigint,
  search: Search,
): Promise<Position> {
  const lastConfig = lastConfigOf(block)
  if (lastConfig > number)
    throw unusable(`block ${String(number)} names a later configuration block`)
  // A configuration block is under the configuration before it.
  if (lastConfig === number) return positionBefore(number, search)
  const { config } = await positionBefore(lastConfig + 1n, search)
  return { next: number, previousHash: undefined, config }
}

/** Block `number` as `endpoint` gives it, unverified. */
export async function fetchBlock(
  number: bigint,
  endpoint: Endpoint,
  context: BlockStreamContext,
  signal: AbortSignal,
): Promise<Received<common.Block>> {
  const behavior = orderer.SeekInfo_SeekBehavior.FAIL_IF_NOT_READY
  const range = { start: number, stop: number, behavior }
  for await (const block of blockStream(endpoint, range, context, signal)) {
    return block
  }
  const message = `${endpoint.address} ended without block ${String(number)}`
  throw new DeliverError('DELIVER_UNEXPECTED', message, { endpoint: endpoint.address })
}

function unusable(why: string): BlockError {
  return new BlockError('DELIVER_CONFIG', `the trusted configuration cannot be used: ${why}`)
}
