import { pause } from '@heddle/events'
import type { AbortOptions, Lifecycle, LifecycleState } from '@heddle/interface'
import { common, decode, receive } from '@heddle/proto'
import { backOffMs } from './back-off.ts'
import { type Position, lastConfigOf } from './block-check.ts'
import { type AcceptedBlock, type PullContext, pull } from './block-puller.ts'
import { createBlockVerifier, genesisPosition, trustedConfig } from './block-verifier.ts'
import {
  type PullDeps,
  type PullOptions,
  knownPullOptions,
  resolvePullOptions,
} from './deliver-options.ts'
import { lastBlockNumber } from './envelope.ts'
import { DeliverError } from './errors.ts'
import type { BlockSink, LedgerInfo } from './ports.ts'
import { type Known, refuseUnknown } from './refuse-unknown.ts'

/** What a {@link DeliverService} works with. */
export interface DeliverServiceDeps extends PullDeps {
  readonly ledger: LedgerInfo
  /** What it takes, `ledger` has. */
  readonly sink: BlockSink
}

/** Settings of a {@link DeliverService}. */
export interface DeliverServiceOptions extends PullOptions {
  /**
   * A configuration block that is trusted, encoded. With an empty ledger it must be block 0; with
   * another one it is used only if the ledger lacks the configuration block that it needs.
   */
  readonly configBlock: Uint8Array
}

const known: Known<DeliverServiceOptions> = { ...knownPullOptions, configBlock: true }

/** How a {@link DeliverService} does. */
export interface DeliverStatus {
  /** The next block's number; undefined before the ledger was read. */
  readonly next: bigint | undefined
  /** Who sent the newest block. */
  readonly endpoint: string | undefined
  /** `Clock.now()` when the sink took the newest block. */
  readonly lastBlockAt: number | undefined
  /**
   * What failed last, such as DELIVER_UNREACHABLE; undefined once the sink took a block, or a stream was
   * open, and perhaps idle, for `stallTimeoutMs`.
   */
  readonly lastError: unknown
}

/** Follows a channel for as long as it runs; see {@link createDeliverService}. */
export interface DeliverService extends Lifecycle {
  /** Where it is now. */
  status(): DeliverStatus
}

/**
 * Makes a service that pulls every block from the ledger's height on, verifies it and hands it to
 * the sink: in order, without a gap, each once.
 *
 * It never gives up: endpoints that fail or lie, and a sink that refuses a block, cost a wait.
 * After a failure of the sink it reads the ledger's height again, so it does not matter whether
 * the block was stored.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS
 * @throws {BlockError} DELIVER_CONFIG when the configuration block cannot be used
 */
export function createDeliverService(
  deps: DeliverServiceDeps,
  options: DeliverServiceOptions,
): DeliverService {
  refuseUnknown(options, known)
  return new PullingDeliverService(deps, options)
}

class PullingDeliverService implements DeliverService {
  readonly #deps: DeliverServiceDeps
  readonly #context: PullContext
  readonly #configBlock: common.Block
  readonly #channelId: string
  readonly #stopping = new AbortController()
  #state: LifecycleState = 'idle'
  #running: Promise<void> | undefined
  #position: Position | undefined
  #endpoint: string | undefined
  #lastBlockAt: number | undefined
  /** What interrupted delivery last, other than endpoints. */
  #failure: unknown

  constructor(deps: DeliverServiceDeps, options: DeliverServiceOptions) {
    this.#deps = deps
    this.#context = resolvePullOptions(deps, options, Infinity)
    this.#channelId = options.channelId
    this.#configBlock = decode(common.BlockSchema, options.configBlock)
    trustedConfig(options.channelId, this.#configBlock)
  }

  get state(): LifecycleState {
    return this.#state
  }

  status(): DeliverStatus {
    return {
      next: this.#position?.next,
      endpoint: this.#endpoint,
      lastBlockAt: this.#lastBlockAt,
      lastError: this.#failure ?? this.#context.outage.lastError,
    }
  }

  start({ signal }: AbortOptions = {}): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (this.#stopping.signal.aborted) {
      return Promise.reject(new DeliverError('DELIVER_STOPPED', 'the service was stopped'))
    }
    this.#state = 'started'
    this.#running ??= this.#run()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    if (this.#state !== 'stopped') this.#state = 'stopping'
    this.#stopping.abort(new DeliverError('DELIVER_STOPPED', 'the service was stopped'))
    await this.#running
    this.#state = 'stopped'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #run(): Promise<void> {
    const inARow = { failures: 0 }
    while (!this.#stopping.signal.aborted) await this.#attempt(inARow)
  }

  /** Delivers until something fails that is not an endpoint's, then waits. Never rejects. */
  async #attempt(inARow: { failures: number }): Promise<void> {
    const { signal } = this.#stopping
    try {
      await this.#deliver(() => (inARow.failures = 0))
    } catch (error) {
      if (signal.aborted) return
      inARow.failures++
      this.#failure = error
      this.#deps.logger?.error('delivery interrupted', { channel: this.#channelId }, error)
      const ms = backOffMs(inARow.failures, 1, this.#context, this.#context.random)
      await pause(this.#deps.clock, ms, signal)
    }
  }

  /** Delivers until the ledger or the sink fails, or the service stops. */
  async #deliver(onBlock: () => void): Promise<void> {
    const { signal } = this.#stopping
    const first = await this.#resume()
    this.#position = first
    const task = {
      config: () => (this.#position ?? first).config,
      position: () => this.#current(),
      stop: lastBlockNumber,
    }
    for await (const accepted of pull(task, this.#context, signal)) {
      await this.#put(accepted)
      onBlock()
    }
  }

  async #put({ block, after, endpoint }: AcceptedBlock): Promise<void> {
    try {
      await this.#deps.sink.put(block)
    } catch (cause) {
      const message = `the sink did not take block ${String(after.next - 1n)}`
      throw new DeliverError('DELIVER_SINK_FAILED', message, { cause })
    }
    // Only now: a block that is not stored must be accepted when it comes again.
    this.#position = after
    this.#failure = undefined
    this.#endpoint = endpoint.address
    this.#lastBlockAt = this.#deps.clock.now()
    this.#context.metrics?.blocks.add(1, { endpoint: endpoint.address })
    this.#context.metrics?.height.set(Number(after.next))
  }

  /** Where to go on at a new attempt; the ledger may have grown by other means. */
  async #current(): Promise<Position> {
    const position = this.#position
    if (position && position.next >= (await this.#height())) return position
    this.#position = await this.#resume()
    return this.#position
  }

  /** The position after the ledger's last block. */
  async #resume(): Promise<Position> {
    const height = await this.#height()
    if (height === 0n) {
      const config = trustedConfig(this.#channelId, this.#configBlock)
      if (config.blockNumber === 0n) return genesisPosition(this.#configBlock, config)
      const message = 'with an empty ledger, the configuration block must be block 0'
      throw new DeliverError('DELIVER_LEDGER_FAILED', message)
    }
    const last = await this.#stored(height - 1n)
    const lastConfig = lastConfigOf({ message: last })
    const configBlock =
      lastConfig === this.#configBlock.header?.number
        ? this.#configBlock
        : await this.#stored(lastConfig)
    const channelId = this.#channelId
    return createBlockVerifier({ channelId, configBlock, lastBlock: last }).position
  }

  async #height(): Promise<bigint> {
    try {
      return await this.#deps.ledger.height()
    } catch (cause) {
      throw new DeliverError('DELIVER_LEDGER_FAILED', 'the ledger failed to give its height', {
        cause,
      })
    }
  }

  async #stored(number: bigint): Promise<common.Block> {
    try {
      const bytes = await this.#deps.ledger.block(number)
      if (bytes) return receive(common.BlockSchema, bytes).message
    } catch (cause) {
      const message = `the ledger failed to give block ${String(number)}`
      throw new DeliverError('DELIVER_LEDGER_FAILED', message, { cause })
    }
    throw new DeliverError('DELIVER_LEDGER_FAILED', `the ledger lacks block ${String(number)}`)
  }
}
