import { ChainFollower } from './chain-follower.ts'
import { ClientError } from './errors.ts'
import { Monitor } from './monitor.ts'
import { Sender } from './sender.ts'
import { signTransaction } from './sign-transaction.ts'
import { startHeight } from './start-height.ts'
import { verifiedBlocks } from './verified-blocks.ts'
import type { AbortOptions, Clock, Logger, Metrics } from '@heddle/interface'
import type { BlockTransaction } from './block-transactions.ts'
import type { NetworkClient } from './network-client.ts'
import type { SignedTransaction } from './sender.ts'
import type { VerifiedBlock } from './verified-blocks.ts'

/** A call of a contract. */
export interface ContractCall {
  /** Its name, such as `records`. */
  readonly contract: string
  /** What it takes: for the contracts of @heddle/peer a JSON object. */
  readonly input: string | Uint8Array
}

/** A transaction to be submitted, once or again: it is executed once, however often it is. */
export interface SignedCall extends SignedTransaction {
  /** Number of the first block that can hold it. */
  readonly from: bigint
}

/** What {@link Transactions} work with. */
export interface TransactionsDeps {
  readonly client: NetworkClient
  readonly clock: Clock
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/** Most transactions sent and not answered; as many more may wait. */
const window = 1000

/** Most transactions of which the outcome is waited for. */
export const maxPending = 2 * window

/** Somebody who waits for the outcome of a transaction. */
interface Waiting {
  readonly resolve: (outcome: BlockTransaction) => void
  readonly reject: (error: unknown) => void
}

/** What runs from the first transaction on. */
interface Running {
  readonly sender: Sender
  readonly follower: ChainFollower
  readonly from: bigint
}

/** Submits transactions and finds what became of them in blocks that a quorum signed. */
export class Transactions {
  readonly #deps: TransactionsDeps
  readonly #pending = new Map<string, Set<Waiting>>()
  #running: Promise<Running> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(deps: TransactionsDeps) {
    this.#deps = deps
  }

  /** Signs a call as a new transaction; nothing is sent. */
  async sign({ contract, input }: ContractCall, { signal }: AbortOptions): Promise<SignedCall> {
    const { client, clock } = this.#deps
    const from = nextBlock(await this.#start())
    signal?.throwIfAborted()
    const { channelId, signer } = client
    const call = { channelId, contract, input: Buffer.from(input) }
    const { txId, bytes } = await signTransaction(signer, clock, call)
    return { txId, bytes, from }
  }

  /** Resolves with what became of it, as soon as a block holds it. */
  async submit(signed: SignedCall, { signal }: AbortOptions): Promise<BlockTransaction> {
    const running = await this.#start()
    // Those that nobody waits for any more may be under way still.
    if (Math.max(this.#pending.size, running.sender.inFlight) >= maxPending)
      throw new ClientError('CLIENT_BUSY', `${maxPending} transactions are under way`)
    const stop = new AbortController()
    const abort = (): void => stop.abort(signal?.reason)
    signal?.throwIfAborted()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await this.#outcome(signed, running, stop)
    } finally {
      signal?.removeEventListener('abort', abort)
      stop.abort()
    }
  }

  /** Whoever waits is told `error`. */
  async stop(error: ClientError): Promise<void> {
    this.#fail(error)
    const running = await this.#running?.catch(() => undefined)
    await Promise.all([running?.sender.stop(), running?.follower.stop()])
  }

  #outcome(
    signed: SignedCall,
    running: Running,
    { signal }: AbortController,
  ): Promise<BlockTransaction> {
    const { txId } = signed
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject }
      const others = this.#pending.get(txId) ?? new Set<Waiting>()
      this.#pending.set(txId, others.add(waiting))
      const leave = (): void => {
        others.delete(waiting)
        if (others.size === 0 && this.#pending.get(txId) === others) this.#pending.delete(txId)
        reject(signal.reason as Error)
      }
      signal.addEventListener('abort', leave, { once: true })
      void this.#sendUnlessThere(signed, running, signal).catch(reject)
    })
  }

  /** What was signed before may stand in a block that was followed already, or before anything was. */
  async #sendUnlessThere(signed: SignedCall, running: Running, signal: AbortSignal): Promise<void> {
    const { txId, from } = signed
    const end = nextBlock(running)
    if (from < end) {
      const range = { from, to: end - 1n, signal }
      for await (const block of verifiedBlocks(this.#deps, range)) this.#noteBlock(block)
    }
    if (this.#pending.has(txId)) running.sender.send(signed)
  }

  /** Bounded by the time that validators have to answer: callers share it, so that none can abort it. */
  async #start(): Promise<Running> {
    if (this.#failure !== undefined) throw this.#failure.error
    // Validators that could not be asked are asked again.
    this.#running ??= this.#begin().catch((error: unknown) => {
      this.#running = undefined
      throw error
    })
    return this.#running
  }

  async #begin(): Promise<Running> {
    const { client, clock } = this.#deps
    const monitor = new Monitor(client, clock)
    const from = await startHeight(client, { monitor, clock })
    const onBlock = (block: VerifiedBlock): void => this.#noteBlock(block)
    const follower = new ChainFollower({ ...this.#deps, onBlock }, (error) => this.#fail(error))
    const sender = new Sender(
      {
        ...this.#deps,
        isUnseen: (txId) => this.#pending.has(txId),
        onAnswer: ({ txId }, error) => {
          if (error !== undefined) this.#settle(txId, ({ reject }) => reject(error))
        },
      },
      { window, primary: monitor.view?.primary },
    )
    await sender.start()
    follower.start(from)
    return { sender, follower, from }
  }

  #noteBlock({ transactions }: VerifiedBlock): void {
    for (const transaction of transactions)
      this.#settle(transaction.txId, ({ resolve }) => resolve(transaction))
  }

  #settle(txId: string, tell: (waiting: Waiting) => void): void {
    const all = this.#pending.get(txId)
    this.#pending.delete(txId)
    for (const waiting of all ?? []) tell(waiting)
  }

  /** The chain can be followed no more, or nobody wants it. */
  #fail(error: unknown): void {
    this.#failure ??= { error }
    for (const txId of [...this.#pending.keys()]) this.#settle(txId, ({ reject }) => reject(error))
  }
}

/** Number of the first block that was not followed yet. */
function nextBlock({ follower, from }: Running): bigint {
  return follower.height > from ? follower.height : from
}
