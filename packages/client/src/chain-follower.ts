import { verifiedBlocks } from './verified-blocks.ts'
import type { ReadingDeps, VerifiedBlock } from './verified-blocks.ts'

/** How long a validator may send nothing before another is asked. */
const stallTimeoutMs = 5000

/** What a {@link ChainFollower} works with. */
export interface FollowerDeps extends ReadingDeps {
  /** Told of every block, in order. */
  readonly onBlock: (block: VerifiedBlock) => void
}

/** Follows the chain, every block verified. */
export class ChainFollower {
  readonly #deps: FollowerDeps
  readonly #onFailure: (error: unknown) => void
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #height = 0n
  #lastHash = ''

  /** @param onFailure - told when the chain cannot be followed any more */
  constructor(deps: FollowerDeps, onFailure: (error: unknown) => void) {
    this.#deps = deps
    this.#onFailure = onFailure
  }

  /** Number of blocks of the chain as far as it was followed. */
  get height(): bigint {
    return this.#height
  }

  /** Hash of the header of the last block, hexadecimal. */
  get lastHash(): string {
    return this.#lastHash
  }

  /** @param from - the first block to look at */
  start(from: bigint): void {
    this.#running ??= this.#follow(from).catch((error: unknown) => this.#onFailure(error))
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #follow(from: bigint): Promise<void> {
    const { signal } = this.#stopping
    const blocks = verifiedBlocks(this.#deps, { from, follow: true, signal }, { stallTimeoutMs })
    try {
      for await (const block of blocks) {
        this.#lastHash = block.hash
        this.#height = block.number + 1n
        this.#deps.onBlock(block)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}
