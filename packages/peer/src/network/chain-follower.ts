import { pullBlocks } from '@heddle/deliver'
import { blockHeaderHash } from '@heddle/proto'
import { blockCheck } from '../engine/as-signed.ts'
import { transactionsOf } from './block-transactions.ts'
import type { Clock, Logger } from '@heddle/interface'
import type { common } from '@heddle/proto'
import type { NetworkClient } from './client.ts'
import type { Submissions } from './submissions.ts'

/** How long a validator may send nothing before another is asked. */
const stallTimeoutMs = 5000

/** Follows the chain, every block verified, and notes what became of the transactions. */
export class ChainFollower {
  readonly #client: NetworkClient
  readonly #submissions: Submissions
  readonly #clock: Clock
  readonly #logger: Logger | undefined
  readonly #onBlock: ((block: common.Block) => void) | undefined
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #height = 0n
  #lastHash = ''
  #blocks = 0n
  #lastSeenAt = 0

  readonly #onFailure: (error: unknown) => void

  /** @param onFailure - told when the chain cannot be followed any more */
  constructor(
    deps: {
      readonly client: NetworkClient
      readonly submissions: Submissions
      readonly clock: Clock
      readonly logger?: Logger
      /** Told of every block. */
      readonly onBlock?: (block: common.Block) => void
    },
    onFailure: (error: unknown) => void,
  ) {
    this.#client = deps.client
    this.#submissions = deps.submissions
    this.#clock = deps.clock
    this.#logger = deps.logger
    this.#onBlock = deps.onBlock
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

  /** Blocks with a transaction of ours. */
  get blocks(): bigint {
    return this.#blocks
  }

  /** Time of the last block with a transaction of ours. */
  get lastSeenAt(): number {
    return this.#lastSeenAt
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
    const { descriptor, endpoints, genesis, signer, tls } = this.#client
    const { signal } = this.#stopping
    const blocks = pullBlocks(
      {
        signer,
        clock: this.#clock,
        checkBlock: blockCheck(genesis),
        ...(this.#logger && { logger: this.#logger }),
      },
      {
        channelId: descriptor.channelId,
        endpoints,
        configBlock: genesis,
        tls,
        from,
        follow: true,
        signal,
        stallTimeoutMs,
        maxBackOffMs: 1000,
      },
    )
    try {
      for await (const { message } of blocks) {
        const { header } = message
        if (header === undefined) continue
        const before = this.#submissions.counts
        for (const transaction of transactionsOf(message)) {
          this.#submissions.seen(transaction.txId, transaction)
        }
        const { accepted, rejected } = this.#submissions.counts
        if (accepted + rejected > before.accepted + before.rejected) {
          this.#blocks++
          this.#lastSeenAt = this.#clock.now()
        }
        this.#lastHash = blockHeaderHash(header).toString('hex')
        this.#height = header.number + 1n
        this.#onBlock?.(message)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}
