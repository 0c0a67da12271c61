import type { ChannelConfig } from '@heddle/channel'
import { shown } from '@heddle/msp'
import { type Received, blockHeaderHash, type common, isConfigBlock } from '@heddle/proto'
import {
  type HeaderOf,
  type Position,
  checkData,
  checkGenesis,
  checkPlace,
  checkSignatures,
  lastConfigOf,
  positionAfter,
} from './block-check.ts'
import { configIn } from './channel-config.ts'
import { BlockError } from './errors.ts'
import { type Known, refuseUnknown } from './refuse-unknown.ts'

/** A block whose place, form and hashes are right; its signatures are being checked. */
export interface PendingBlock {
  readonly block: Received<common.Block>
  /** The position after it; waits for the signatures if the block brings a new configuration. */
  readonly after: Promise<Position>
  /** Rejects with a {@link BlockError} when the signatures do not satisfy the policy. */
  readonly verified: Promise<void>
}

/**
 * A check of the user's own, of a block whose place, data and signatures are good: above all of metadata
 * that no signature covers. Whoever sent a block for which it throws has lied.
 *
 * @param goodSigners - how many distinct members signed it well; other signatures may stand beside
 *   theirs. 0 for block 0, which nobody signs
 */
export type BlockCheck = (block: Received<common.Block>, goodSigners: number) => void

/**
 * Checks everything about a block but its signatures, and begins to check those, and then what the
 * user checks.
 *
 * @throws {BlockError} for the first check that fails
 */
export function beginCheck(
  position: Position,
  block: Received<common.Block>,
  check: BlockCheck = () => undefined,
): PendingBlock {
  const header = checkPlace(block.message, position)
  checkData(block.message, header)
  if (position.genesisHash) {
    checkGenesis(header, position.genesisHash)
    runCheck(check, block, 0)
    const after = Promise.resolve(positionAfter(header, position.config))
    return { block, after, verified: Promise.resolve() }
  }
  const verified = checkSignatures(block.message, header, position.config).then((goodSigners) =>
    runCheck(check, block, goodSigners),
  )
  const after = isConfigBlock(block.message)
    ? verified.then(() => positionAfter(header, nextConfig(block.message, position)))
    : Promise.resolve(positionAfter(header, position.config))
  // Both are awaited by whoever asked, perhaps only after another has failed.
  verified.catch(() => undefined)
  after.catch(() => undefined)
  return { block, after, verified }
}

/** @throws {BlockError} DELIVER_BLOCK_REFUSED with what the check threw */
function runCheck(check: BlockCheck, block: Received<common.Block>, goodSigners: number): void {
  try {
    check(block, goodSigners)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new BlockError('DELIVER_BLOCK_REFUSED', why, { cause })
  }
}

function nextConfig(block: common.Block, { config }: Position): ChannelConfig {
  const next = configIn(block)
  if (next.channelId === config.channelId) return next
  const message = `a configuration of channel ${shown(next.channelId)}, not ${shown(config.channelId)}`
  throw new BlockError('DELIVER_CONFIG', message)
}

/** What a {@link BlockVerifier} begins with. */
export interface BlockVerifierOptions {
  readonly channelId: string
  /** A configuration block that is trusted: block 0, or a later one of the channel. */
  readonly configBlock: common.Block
  /**
   * The block before the first to be verified. Default: the configuration block itself. The
   * configuration must still be in force after it.
   */
  readonly lastBlock?: common.Block
  /** What a block must be besides; default: nothing. */
  readonly checkBlock?: BlockCheck
}

/**
 * Verifies the blocks of a channel, one after another.
 *
 * `verify` does not move it: `advance` does, once the block is where it belongs. So a block that
 * could not be stored is taken again when it comes again.
 */
export class BlockVerifier {
  #position: Position
  readonly #checkBlock: BlockCheck | undefined

  /** @internal Use {@link createBlockVerifier}. */
  constructor(position: Position, checkBlock?: BlockCheck) {
    this.#position = position
    this.#checkBlock = checkBlock
  }

  /** The number of the next block. */
  get next(): bigint {
    return this.#position.next
  }

  /** Where the channel stands. */
  get position(): Position {
    return this.#position
  }

  /** The configuration in force. */
  get config(): ChannelConfig {
    return this.#position.config
  }

  /**
   * Whether `block` is the channel's next block; signatures are checked on the thread pool.
   *
   * @throws {BlockError} saying what is wrong with it
   */
  async verify(block: Received<common.Block>): Promise<void> {
    const { verified, after } = beginCheck(this.#position, block, this.#checkBlock)
    await verified
    await after
  }

  /**
   * As {@link verify}, for a block whose transactions were left out (HEADER_WITH_SIG): the data
   * hash is not compared, and `checkBlock` is not called. A configuration block must be whole and goes
   * through `verify`.
   */
  async verifyHeader(block: Received<common.Block>): Promise<void> {
    const header = checkPlace(block.message, this.#position)
    await checkSignatures(block.message, header, this.#position.config)
  }

  /**
   * Moves behind `block`, which {@link verify} or {@link verifyHeader} has accepted.
   *
   * @throws {BlockError} DELIVER_BLOCK_NUMBER for any other block, DELIVER_CONFIG as `verify`
   */
  advance({ message }: Received<common.Block>): void {
    const header = checkPlace(message, this.#position)
    const config = isConfigBlock(message)
      ? nextConfig(message, this.#position)
      : this.#position.config
    this.#position = positionAfter(header, config)
  }

  /** A verifier of its own that stands where this one stands. */
  clone(): BlockVerifier {
    return new BlockVerifier(this.#position, this.#checkBlock)
  }
}

const known: Known<BlockVerifierOptions> = {
  ...{ channelId: true, configBlock: true, lastBlock: true, checkBlock: true },
}

/**
 * Makes a verifier from a configuration block that is trusted.
 *
 * @throws {BlockError} DELIVER_CONFIG when the block cannot be used, is of another channel or lies
 *   behind `lastBlock` or not in force after it; DELIVER_BLOCK_MALFORMED for a block without header
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS
 */
export function createBlockVerifier(options: BlockVerifierOptions): BlockVerifier {
  refuseUnknown(options, known)
  const { channelId, configBlock, lastBlock = configBlock } = options
  const config = trustedConfig(channelId, configBlock)
  const header = headerOf(lastBlock)
  if (header.number < config.blockNumber) {
    const message = `block ${String(header.number)} lies before its configuration block ${String(config.blockNumber)}`
    throw new BlockError('DELIVER_CONFIG', message)
  }
  if (header.number > 0n && lastConfigOf({ message: lastBlock }) !== config.blockNumber) {
    const message = `block ${String(header.number)} is not under the configuration of block ${String(config.blockNumber)}`
    throw new BlockError('DELIVER_CONFIG', message)
  }
  return new BlockVerifier(positionAfter(header, config), options.checkBlock)
}

/** The position before block 0, which must be `genesis`; `config` is the one it holds. */
export function genesisPosition(genesis: common.Block, config: ChannelConfig): Position {
  const genesisHash = blockHeaderHash(headerOf(genesis))
  return { next: 0n, previousHash: undefined, config, genesisHash }
}

/** The configuration in a block that is trusted to be of `channelId`; see `configIn`. */
export function trustedConfig(channelId: string, block: common.Block): ChannelConfig {
  headerOf(block)
  const config = configIn(block)
  if (config.channelId === channelId) return config
  const message = `the configuration block is of channel ${shown(config.channelId)}, not ${shown(channelId)}`
  throw new BlockError('DELIVER_CONFIG', message)
}

function headerOf({ header }: common.Block): HeaderOf {
  if (header) return header
  throw new BlockError('DELIVER_BLOCK_MALFORMED', 'a block without a header')
}
