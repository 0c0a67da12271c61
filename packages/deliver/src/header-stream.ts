import { pause } from '@heddle/events'
import { type Received, type common, isConfigBlock, orderer } from '@heddle/proto'
import { type Position, checkPlace, checkSignatures } from './block-check.ts'
import { type BlockStreamContext, blockStream } from './block-stream.ts'
import { DeliverError } from './errors.ts'
import type { Endpoint } from './ports.ts'

const { SeekInfo_SeekBehavior: Behavior, SeekInfo_SeekContentType: Content } = orderer

/** Headers beyond what was delivered that one stream holds at most; more wait in the connection. */
export const maxHeadersAhead = 64

/** The endpoint does not know of streams of headers, as orderers of Fabric v1.4. */
export class WholeBlocksError extends DeliverError {
  constructor(endpoint: string) {
    const message = `${endpoint} sends whole blocks where headers were asked for`
    super('DELIVER_UNEXPECTED', message, { endpoint })
  }
}

/** A header that came before its block was delivered. */
interface Claim {
  readonly block: Received<common.Block>
  readonly number: bigint
  /** `Clock.now()` when it came. */
  readonly at: number
}

/** The signed headers of one endpoint: what it has, at the cost of no block. */
export class HeaderStream {
  readonly endpoint: Endpoint
  readonly #context: BlockStreamContext
  readonly #position: () => Position
  /** In order; none of what was delivered when it was looked at last. */
  #claims: Claim[] = []
  /** The highest number whose header was verified. */
  #proven = -1n
  readonly #closing = new AbortController()

  constructor(endpoint: Endpoint, context: BlockStreamContext, position: () => Position) {
    this.endpoint = endpoint
    this.#context = context
    this.#position = position
  }

  /** Whether it proved to have a block that was not delivered. */
  get isAhead(): boolean {
    return this.#proven >= this.#position().next
  }

  /**
   * Reads until the stream ends, or has fallen too far behind to be of use.
   *
   * @param roomMs - how often to look for room when {@link maxHeadersAhead} are held
   * @throws as `blockStream`; {@link WholeBlocksError}
   */
  async read(roomMs: number, stopping: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([stopping, this.#closing.signal])
    const { clock } = this.#context
    const range = {
      ...{ start: this.#position().next, behavior: Behavior.BLOCK_UNTIL_READY },
      contentType: Content.HEADER_WITH_SIG,
    }
    for await (const block of blockStream(this.endpoint, range, this.#context, signal)) {
      const number = block.message.header?.number ?? 0n
      if (!isConfigBlock(block.message) && (block.message.data?.data.length ?? 0) > 0)
        throw new WholeBlocksError(this.endpoint.address)
      if (number + BigInt(maxHeadersAhead) < this.#position().next) return
      if (number >= this.#position().next) this.#claims.push({ block, number, at: clock.now() })
      while (this.#claims.length >= maxHeadersAhead) {
        await pause(clock, roomMs, signal)
        signal.throwIfAborted()
      }
    }
  }

  /**
   * Verifies one header when a block is due for longer than `dueMs`: the last one that the
   * configuration in force says the signers of.
   *
   * @throws {BlockError} for a header that nobody can have made who is honest
   */
  async look(dueMs: number): Promise<void> {
    const position = this.#position()
    this.#claims = this.#claims.filter(({ number }) => number >= position.next)
    const [oldest] = this.#claims
    if (oldest === undefined || this.isAhead) return
    if (this.#context.clock.now() - oldest.at < dueMs) return
    const config = this.#claims.findIndex(({ block }) => isConfigBlock(block.message))
    const last = this.#claims.at(config) // the very last when none is a configuration
    // Block 0 is signed by nobody: it proves nothing.
    if (last === undefined || last.number === 0n) return
    await verify(last, position)
    this.#proven = last.number
  }

  /** Ends {@link read}. */
  close(): void {
    this.#closing.abort()
  }
}

/** What is signed under the configuration in force exists, whatever came between. */
async function verify({ block, number }: Claim, position: Position): Promise<void> {
  const isNext = number === position.next
  const previousHash = isNext ? position.previousHash : undefined
  const place = { next: number, previousHash, config: position.config }
  const header = checkPlace(block.message, place)
  await checkSignatures(block.message, header, position.config)
}
