import { Budget } from '@heddle/events'
import type { Clock, Logger } from '@heddle/interface'
import { heddle } from '@heddle/proto'
import type { ArchivedBlock, SignatureArchive, SignatureNetwork } from './ports.ts'
import { RecentBlocks } from './recent-blocks.ts'
import { type ClaimedSignature, encodeSignatureMessage } from './signature-message.ts'

/** What a {@link SignatureAnswerer} works with. */
export interface AnswererContext {
  readonly channelId: string
  readonly network: SignatureNetwork
  readonly archive: SignatureArchive
  readonly clock: Clock
  readonly logger: Logger | undefined
  /** Blocks that are answered for without a read of the ledger. */
  readonly maxRecentBlocks: number
  /** Most reads of the ledger under way for one consenter. */
  readonly maxAnswersInFlight: number
  /** Hears the outcome of a request: `answered` or `answer_dropped`. */
  readonly count: (outcome: string) => void
  /** Hears what the author of a signature for a complete block should have signed. */
  readonly compare: (block: ArchivedBlock, signature: ClaimedSignature) => Promise<void>
}

/**
 * What one consenter may cost here. It asks for 128 blocks in a second, as long as it lacks them, and
 * once for each that is new. What is read of older blocks is counted in bytes as they are stored.
 */
export const answerLimits = {
  answers: { perSecond: 256, burst: 1024 },
  readBytes: { perSecond: 16 * 1024 * 1024, burst: 64 * 1024 * 1024 },
} as const

/** One consenter that asks. */
interface Asker {
  readonly budget: Budget<keyof typeof answerLimits>
  /** Blocks that are being read for it. */
  readonly reading: Set<bigint>
}

/**
 * Takes consenters' own signatures of blocks that are complete here: helps those that lack signatures,
 * and compares what they signed.
 *
 * For recent blocks all of that is in memory. Others are read from the ledger, whole: how much, how often
 * and how many at a time is bounded for each consenter, so that none can keep a validator from its work.
 * What is dropped is asked for again.
 */
export class SignatureAnswerer {
  readonly #context: AnswererContext
  readonly #recent: RecentBlocks
  readonly #askers = new Map<number, Asker>()

  constructor(context: AnswererContext) {
    this.#context = context
    this.#recent = new RecentBlocks(context.maxRecentBlocks)
  }

  /** A block has become complete here. */
  completed(block: ArchivedBlock): void {
    this.#recent.add(block)
  }

  /** Takes its author's `signature` of block `number`; answers with all that are stored with it. */
  take(signature: ClaimedSignature, number: bigint, isAsking: boolean): void {
    const { count, logger } = this.#context
    const { id: to } = signature
    const asker = this.#askerOf(to)
    if (asker.budget.isOverdrawn('answers')) {
      count('answer_dropped')
      return
    }
    asker.budget.spend('answers', 1)
    const recent = this.#recent.get(number)
    const served = recent
      ? this.#serve(recent, signature, isAsking)
      : this.#read(asker, number, (block) => this.#serve(block, signature, isAsking))
    served.catch((error: unknown) => {
      logger?.warn('a late block signature was not served', { block: number, to }, error)
    })
  }

  #askerOf(id: number): Asker {
    const known = this.#askers.get(id)
    if (known !== undefined) return known
    const budget = new Budget(this.#context.clock, { limits: answerLimits, maxHeldMs: Infinity })
    const made = { budget, reading: new Set<bigint>() }
    this.#askers.set(id, made)
    return made
  }

  async #read(
    { budget, reading }: Asker,
    number: bigint,
    use: (block: ArchivedBlock) => Promise<void>,
  ): Promise<void> {
    const { archive, maxAnswersInFlight, count } = this.#context
    const isFull = reading.has(number) || reading.size >= maxAnswersInFlight
    if (isFull || budget.isOverdrawn('readBytes')) {
      count('answer_dropped')
      return
    }
    reading.add(number)
    try {
      const block = await archive.block(number)
      if (block === undefined) return
      budget.spend('readBytes', block.storedBytes)
      if (block.signatures.length > 0) await use(block)
    } finally {
      reading.delete(number)
    }
  }

  async #serve(
    block: ArchivedBlock,
    signature: ClaimedSignature,
    isAsking: boolean,
  ): Promise<void> {
    const { channelId, network, count, compare } = this.#context
    if (isAsking) {
      const { ANSWER } = heddle.BlockSignatures_Purpose
      const { number } = block.header
      network.send(
        signature.id,
        encodeSignatureMessage(channelId, number, ANSWER, block.signatures),
      )
      count('answered')
    }
    await compare(block, signature)
  }
}
