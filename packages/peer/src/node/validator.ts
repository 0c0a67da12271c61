import { InvariantError } from '@heddle/interface'
import { addressToText } from '../config/setting.ts'
import { listenError } from '../network/ports.ts'
import { compose } from './compose.ts'
import { divergenceIn } from './divergence.ts'
import { sayFlood } from './flood.ts'
import { stopWithin } from './stop-within.ts'
import { openStorage } from './storage.ts'
import type { Lifecycle, LifecycleState, Logger } from '@heddle/interface'
import type { ReplicaNotification } from '@heddle/pbft'
import type { SettingKey } from '../config/settings.ts'
import type { Composition } from './compose.ts'
import type { CompositionDeps } from './composition-deps.ts'

/** How long a validator that is stopped lets its consensus finish what is being executed. */
const settleTimeoutMs = 2000

/** A setting that says where a part listens. */
type ListenKey = Extract<SettingKey, `${string}istenAddress`>

/**
 * One validator. It starts from the bottom up; when something cannot start, what had started is
 * stopped again in reverse order. When its consensus or its ledger gives up, so does it: `closed`
 * resolves with the reason.
 */
export class Validator implements Lifecycle {
  readonly #deps: CompositionDeps
  readonly #logger: Logger
  /** What takes back the start so far, last first. */
  readonly #undo: { readonly part: string; readonly stop: () => unknown }[] = []
  /** Resolves when it has stopped: with the reason when it gave up by itself. */
  readonly closed: Promise<Error | undefined>
  #close: (reason: Error | undefined) => void
  #state: LifecycleState = 'idle'
  #failure: { readonly height: bigint; readonly reason: Error } | undefined

  constructor(deps: CompositionDeps) {
    this.#deps = deps
    this.#logger = deps.logging.logger.child('peer')
    this.#close = () => {
      throw new InvariantError('a promise runs its executor at once')
    }
    this.closed = new Promise((resolve) => {
      this.#close = resolve
    })
  }

  get state(): LifecycleState {
    return this.#state
  }

  async start(): Promise<void> {
    if (this.#state !== 'idle') return
    this.#state = 'starting'
    try {
      await this.#start()
      this.#state = 'started'
      if (this.#failure !== undefined) this.#failed(this.#failure.height, this.#failure.reason)
    } catch (error) {
      await this.#unwind()
      this.#state = 'idle'
      throw error
    }
  }

  async stop(): Promise<void> {
    await this.#end(undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start(): Promise<void> {
    const { config, material, clock, metrics } = this.#deps
    const { logger } = this.#deps.logging
    const storage = await openStorage({
      dir: config['peer.fileSystemPath'],
      channelId: material.channel.channelId,
      consenter: { id: material.replica + 1, mspId: material.signer.mspId },
      genesis: material.genesis,
      clock,
      logger,
      metrics,
    })
    this.#undo.push({ part: 'ledger', stop: () => storage.close() })
    const parts = compose(this.#deps, storage, {
      onEvent: (event) => {
        if (event.type === 'flooding') sayFlood(event, parts.conditions)
        this.#tell(event)
      },
      onUnknownRules: (reason) => this.#failed(storage.ledger.height, reason),
      onDiverged: (reason) => this.#failed(storage.ledger.height, reason),
    })
    await parts.engine.recover()
    parts.network.listen({
      heard: (from) => parts.members.heard(from),
      consensus: (from, bytes) => parts.replica.receive(from, bytes),
      blockSignature: (from, bytes) => parts.collector.receive(from, bytes),
      wallTime: (from, bytes) => parts.clocks.receive(from, bytes),
      signedHeader: (from, bytes) => parts.forks.receive(from, bytes),
      rulesOffer: (from, bytes) => parts.rules.receive(from, bytes),
      flooding: (from, what) => sayFlood({ from, what }, parts.conditions),
    })
    this.#undo.push({ part: 'network', stop: () => parts.network.close() })
    await this.#startParts(parts)
    void parts.replica.closed.then((reason) => {
      const { height } = storage.ledger
      const diverged = divergenceIn(reason, height)
      if (diverged === undefined) this.#failed(height, reason)
      else parts.divergence.found(diverged)
    })
    this.#logger.info('started', {
      replica: material.replica,
      height: storage.ledger.height,
      gossip: parts.comm.address,
      orderer: parts.server.address,
      operations: parts.operations.port,
    })
  }

  async #startParts(parts: Composition): Promise<void> {
    await this.#startPart('mapper', parts.mapper)
    await this.#startPart('comm', parts.comm, 'peer.listenAddress')
    await this.#startPart('collector', parts.collector)
    await this.#startReplica(parts.replica)
    await this.#startPart('watch', parts.watch)
    await this.#startPart('clocks', parts.clocks)
    await this.#startPart('forks', parts.forks)
    await this.#startPart('rules', parts.rules)
    await this.#startPart('server', parts.server, 'general.listenAddress')
    await this.#startPart('operations', parts.operations)
  }

  async #startPart(name: string, part: Lifecycle, key?: ListenKey): Promise<void> {
    this.#undo.push({ part: name, stop: () => part.stop() })
    try {
      await part.start()
    } catch (error) {
      if (key === undefined) throw error
      throw listenError(this.#deps.config[key], key, error)
    }
  }

  /** A block in execution may never get its quorum, when the others are being stopped as well. */
  async #startReplica(replica: Lifecycle): Promise<void> {
    const stop = (): Promise<void> => stopWithin(settleTimeoutMs, replica, this.#deps.clock)
    this.#undo.push({ part: 'replica', stop })
    await replica.start()
  }

  /** One that fails while it starts gives up when it has started: then there is all to take back. */
  #failed(height: bigint, reason: Error | undefined): void {
    if (reason !== undefined) this.#failure ??= { height, reason }
    if (reason === undefined || this.#state !== 'started') return
    this.#logger.error('gives up', { height }, reason)
    void this.#end(reason)
  }

  async #end(reason: Error | undefined): Promise<void> {
    if (this.#state === 'stopping' || this.#state === 'stopped') {
      await this.closed
      return
    }
    this.#state = 'stopping'
    await this.#unwind()
    this.#state = 'stopped'
    this.#logger.info('stopped')
    this.#close(reason)
  }

  async #unwind(): Promise<void> {
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      try {
        await undo.stop()
      } catch (error) {
        this.#logger.warn('a part did not stop cleanly', { part: undo.part }, error)
      }
    }
  }

  #tell(event: ReplicaNotification): void {
    switch (event.type) {
      case 'viewChanged':
        this.#logger.info('view changed', {
          view: event.view,
          primary: event.primary,
          active: event.active,
          address: addressToText(this.#deps.config['peer.listenAddress']),
        })
        return
      case 'rejected':
        this.#logger.debug('consensus message refused', {
          from: event.from,
          code: event.code,
          detail: event.detail,
        })
        return
      default:
        this.#logger.debug('consensus event', { type: event.type })
    }
  }
}
