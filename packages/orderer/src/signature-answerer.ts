import type { Logger } from '@heddle/interface'
import { heddle } from '@heddle/proto'
import type { SignatureArchive, SignatureNetwork } from './ports.ts'
import { encodeSignatureMessage } from './signature-message.ts'

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
}

/**
 * Helps consenters that lack signatures of a block that is complete here.
 *
 * A request costs a read of the ledger: so there is a bound on how many are under way for each
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

  /** Sends `to` all signatures stored with block `number`, if there is such a block. */
  answer(to: number, number: bigint): void {
    const { maxAnswersInFlight, count, logger } = this.#context
    const answering = this.#answering.get(to) ?? new Set<bigint>()
    this.#answering.set(to, answering)
    if (answering.has(number) || answering.size >= maxAnswersInFlight) {
      count('answer_dropped')
      return
    }
    answering.add(number)
    this.#send(to, number)
      .catch((error: unknown) => {
        logger?.warn('stored block signatures unreadable', { block: number, to }, error)
      })
      .finally(() => answering.delete(number))
  }

  async #send(to: number, number: bigint): Promise<void> {
    const { archive, channelId, network, count } = this.#context
    const signatures = await archive.signatures(number)
    if (!signatures || signatures.length === 0) return
    const purpose = heddle.BlockSignatures_Purpose.ANSWER
    network.send(to, encodeSignatureMessage(channelId, number, purpose, signatures))
    count('answered')
  }
}
