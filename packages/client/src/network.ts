import { systemClock } from '@heddle/events'
import { ClientError } from './errors.ts'
import { openNetwork } from './network-source.ts'
import { orClock } from './own-clock.ts'
import { queryNetwork } from './query.ts'
import { askStatus } from './status.ts'
import { Transactions } from './transactions.ts'
import { verifiedBlocks } from './verified-blocks.ts'
import type { AbortOptions, Clock, Logger, Metrics } from '@heddle/interface'
import type { BlockTransaction } from './block-transactions.ts'
import type { NetworkClient } from './network-client.ts'
import type { NetworkSource } from './network-source.ts'
import type { AgreedAnswer } from './query.ts'
import type { ValidatorWord } from './status.ts'
import type { ContractCall, SignedCall } from './transactions.ts'
import type { BlocksOptions, VerifiedBlock } from './verified-blocks.ts'

/** What a client works with; all of it is optional. */
export interface ConnectDeps {
  /** Default: the system's. */
  readonly clock?: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** A network of validators, of which no single one is trusted. */
export interface Network extends AsyncDisposable {
  readonly channelId: string
  /** What the parts of this package take. */
  readonly client: NetworkClient
  /**
   * Signs a call as a new transaction and sends nothing: whoever keeps what it gives can submit it again, also
   * after a restart, without executing it twice.
   *
   * @throws {ClientError} as {@link Network.submit} when validators cannot be asked where they are
   */
  sign(call: ContractCall, options?: AbortOptions): Promise<SignedCall>
  /**
   * Submits a call, or what {@link Network.sign} gave, once or again. Resolves as soon as a block that a quorum
   * signed holds it, with that block's number and whether it was accepted, or why not.
   *
   * @throws {ClientError} CLIENT_REFUSED when f + 1 validators refused it: no block will hold it.
   * CLIENT_OUTCOME_UNKNOWN, and the reason of `signal`: a block may hold it yet; submit the same again to know.
   * CLIENT_TOO_FEW_ANSWERS, CLIENT_FORBIDDEN, CLIENT_WRONG_CLOCK, CLIENT_BUSY: nothing was sent
   */
  submit(call: ContractCall | SignedCall, options?: AbortOptions): Promise<BlockTransaction>
  /**
   * A key of a contract's state, as f + 1 validators have it; `value` is undefined when they have none.
   *
   * @throws {ClientError} CLIENT_NO_AGREEMENT, CLIENT_FORBIDDEN, CLIENT_WRONG_CLOCK; the reason of `signal`
   */
  query(contract: string, key: string, options?: AbortOptions): Promise<AgreedAnswer>
  /**
   * Blocks in order, each verified. `from` is where to resume: one more than the last one taken.
   *
   * @throws errors of @heddle/deliver; {@link ClientError} CLIENT_UNKNOWN_RULES, CLIENT_WRONG_CLOCK; the
   * reason of `signal`
   */
  blocks(options?: BlocksOptions): AsyncGenerator<VerifiedBlock>
  /** The transactions in these blocks, in their order, with what became of each. Throws as {@link Network.blocks}. */
  transactions(options?: BlocksOptions): AsyncGenerator<BlockTransaction>
  /** What each validator says of itself, by replica id. Rejects with the reason of `signal` only. */
  status(options?: AbortOptions): Promise<readonly ValidatorWord[]>
  /** Ends all that is under way, and the connections. May be called twice. */
  close(): Promise<void>
}

class ConnectedNetwork implements Network {
  readonly client: NetworkClient
  readonly #deps: { readonly clock: Clock; readonly logger?: Logger; readonly metrics?: Metrics }
  readonly #closing = new AbortController()
  readonly #transactions: Transactions

  constructor(client: NetworkClient, deps: ConnectDeps) {
    this.client = client
    this.#deps = { ...deps, clock: deps.clock ?? systemClock }
    this.#transactions = new Transactions({ ...this.#deps, client })
  }

  get channelId(): string {
    return this.client.channelId
  }

  sign(call: ContractCall, options: AbortOptions = {}): Promise<SignedCall> {
    return this.#transactions.sign(call, options)
  }

  async submit(
    call: ContractCall | SignedCall,
    options: AbortOptions = {},
  ): Promise<BlockTransaction> {
    const signed = 'bytes' in call ? call : await this.sign(call, options)
    return this.#transactions.submit(signed, options)
  }

  async query(contract: string, key: string, { signal }: AbortOptions = {}): Promise<AgreedAnswer> {
    const either = this.#until(signal)
    try {
      return await queryNetwork(this.client, contract, key, { signal: either })
    } catch (error) {
      throw await this.#explained(error, either)
    }
  }

  async *blocks(options: BlocksOptions = {}): AsyncGenerator<VerifiedBlock> {
    const signal = this.#until(options.signal)
    try {
      yield* verifiedBlocks({ client: this.client, ...this.#deps }, { ...options, signal })
    } catch (error) {
      throw await this.#explained(error, signal)
    }
  }

  async *transactions(options: BlocksOptions = {}): AsyncGenerator<BlockTransaction> {
    for await (const { transactions } of this.blocks(options)) yield* transactions
  }

  async status({ signal }: AbortOptions = {}): Promise<readonly ValidatorWord[]> {
    return askStatus(this.client, { signal: this.#until(signal) })
  }

  async close(): Promise<void> {
    const closed = new ClientError('CLIENT_CLOSED', 'the client was closed')
    this.#closing.abort(closed)
    await this.#transactions.stop(closed)
    this.client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #until(signal: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal
    closing.throwIfAborted()
    return signal === undefined ? closing : AbortSignal.any([signal, closing])
  }

  /** Validators refuse what is signed at another time without a word about it. */
  async #explained(error: unknown, signal: AbortSignal): Promise<unknown> {
    if (signal.aborted) return error
    return orClock(this.client, error, this.#deps.clock)
  }
}

/**
 * A client of a network, by its folder or by the addresses of its validators. Connects to nobody yet.
 *
 * @throws {ClientError} CLIENT_INVALID_OPTIONS, CLIENT_NO_NETWORK, CLIENT_INVALID_DESCRIPTOR,
 * CLIENT_WRONG_CERTIFICATE; {@link MspError} MSP_INVALID_TLS; what the operating system refuses, as it says it
 */
export async function connect(source: NetworkSource, deps: ConnectDeps = {}): Promise<Network> {
  const client = await openNetwork(source, deps.clock ?? systemClock)
  return new ConnectedNetwork(client, deps)
}
