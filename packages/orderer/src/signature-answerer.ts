import type { Logger } from '@heddle/interface'
import { heddle } from '@heddle/proto'
import type { ArchivedBlock, SignatureArchive, SignatureNetwork } from './ports.ts'
import { type ClaimedSignature, encodeSignatureMessage } from './signature-message.ts'

/** What a {@link SignatureAnswerer} works with. */
export interface AnswererContext {
  readonly channelId: string
  readonly network: SignatureNetwork
  readonly archive: SignatureArchive
  readonly logger: Logger | undefined
  /** Most answers in the making for one consenter. */
  readonly maxAnswersInFlight: number
  /** Hears what became of a request: `answered` or `answer_dropped`. */
  readonly count: (outcome: string) => void
  /** Hears what the author of a signature for a complete block should have signed. */
  readonly compare: (block: ArchivedBlock, signature: ClaimedSignature) => Promise<void>
}

/**
 * Takes consenters' own signatures of blocks that are complete here: helps those that lack signatures,
 * and compares what they signed.
 *
 * Each costs a read of the ledger: so there is a bound on how many are under way for each
 * consenter, so that none can keep the others from their answers, and only one for the same block.
 * What is dropped is asked for again.
 */
export class SignatureAnswerer {
  readonly #context: AnswererContext
  /** By consenter, the blocks that are under way. */
  readonly #answering = new Map<number, Set<bigint>>()

  constructor(context: AnswererContext) {
    this.#context = context
  }

  /** Takes its author's `signature` of block `number`; answers with all that are stored with it. */
  take(signature: ClaimedSignature, number: bigint, isAsking: boolean): void {
    const { maxAnswersInFlight, count, logger } = this.#context
    const { id: to } = signature
    const answering = this.#answering.get(to) ?? new Set<bigint>()
    this.#answering.set(to, answering)
    if (answering.has(number) || answering.size >= maxAnswersInFlight) {
      count('answer_dropped')
      return
    }
    answering.add(number)
    this.#serve(signature, number, isAsking)
      .catch((error: unknown) => {
        logger?.warn('a late block signature was not served', { block: number, to }, error)
      })
      .finally(() => answering.delete(number))
  }

  async #serve(signature: ClaimedSignature, number: bigint, isAsking: boolean): Promise<void> {
    const { archive, channelId, network, count, compare } = this.#context
    const block = await archive.block(number)
    if (!block || block.signatures.length === 0) return
    if (isAsking) {
      const purpose = heddle.BlockSignatures_Purpose.ANSWER
      network.send(
        signature.id,
        encodeSignatureMessage(channelId, number, purpose, block.signatures),
      )
      count('answered')
    }
    await compare(block, signature)
  }
}
