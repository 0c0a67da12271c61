import type { AbortOptions, LifecycleState } from '@heddle/interface'
import type { gossip } from '@heddle/proto'
import { Acknowledgements } from './acknowledgements.ts'
import { ConnectionManager } from './connections/connection-manager.ts'
import type { ResolvedCommDeps } from './deps.ts'
import { Demultiplexer } from './queues/demultiplexer.ts'
import { CommError } from './errors.ts'
import { EncodedMessage, encodeMessage } from './messages/message.ts'
import type { CommMetrics } from './metrics.ts'
import type { ResolvedCommOptions } from './options.ts'
import type { AggregatedSendResult } from './send-result.ts'
import { Signals } from './queues/signals.ts'
import type { RemotePeer } from './remote-peer.ts'
import type {
  AcceptOptions,
  Comm,
  MessageHandler,
  MessagePredicate,
  MessageStream,
  Outgoing,
  ReceivedMessage,
  SendWithAckOptions,
  Unsubscribe,
} from './types.ts'

/** A {@link Comm} over gRPC: puts the parts together and keeps the lifecycle. */
export class GrpcComm implements Comm {
  readonly pkiId: Uint8Array
  readonly #metrics: CommMetrics
  readonly #demultiplexer: Demultiplexer
  readonly #presumedDead: Signals
  readonly #identitySwitch: Signals
  readonly #connections: ConnectionManager
  readonly #acknowledgements: Acknowledgements
  #state: LifecycleState = 'idle'
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #address = ''

  constructor(deps: ResolvedCommDeps, options: ResolvedCommOptions, pkiId: Uint8Array) {
    const { metrics, logger, clock } = deps
    this.pkiId = pkiId
    this.#metrics = metrics
    this.#demultiplexer = new Demultiplexer(metrics, clock, logger)
    this.#presumedDead = new Signals(metrics)
    this.#identitySwitch = new Signals(metrics)
    this.#connections = new ConnectionManager(deps, options, {
      ownPkiId: pkiId,
      dispatch: (message) => this.#demultiplexer.dispatch(message),
      onAck: (info, nonce, ack) => this.#acknowledgements.onAck(info.pkiId, nonce, ack),
      onPresumedDead: (id) => this.#presumedDead.emit(id),
      onIdentitySwitch: (id) => this.#identitySwitch.emit(id),
    })
    this.#acknowledgements = new Acknowledgements({
      clock,
      connection: (peer) =>
        this.#running ? this.#connections.connection(peer) : Promise.reject(stopped()),
    })
  }

  get state(): LifecycleState {
    return this.#state
  }

  get address(): string {
    return this.#address
  }

  start(options: AbortOptions = {}): Promise<void> {
    if (this.#stopping !== undefined) return Promise.reject(stopped())
    this.#starting ??= this.#start(options)
    return this.#starting
  }

  stop(options: AbortOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(options)
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  send(message: Outgoing, ...peers: readonly RemotePeer[]): void {
    if (peers.length === 0 || !this.#running) return
    const { bytes } = encoded(message)
    for (const peer of peers) {
      if (!this.#connections.queue(peer).offer(bytes)) this.#metrics.overflow.add(1)
    }
  }

  push(message: Outgoing, peer: RemotePeer, options: AbortOptions = {}): Promise<void> {
    if (!this.#running) return Promise.reject(stopped())
    return this.#connections.queue(peer).push(encoded(message).bytes, options.signal)
  }

  sendWithAck(
    message: gossip.GossipMessage,
    options: SendWithAckOptions,
    ...peers: readonly RemotePeer[]
  ): Promise<AggregatedSendResult> {
    return this.#acknowledgements.send(message, options, peers)
  }

  async probe(peer: RemotePeer, options: AbortOptions = {}): Promise<void> {
    if (!this.#running) throw stopped()
    await this.#connections.probe(peer, options.signal)
  }

  async handshake(peer: RemotePeer, options: AbortOptions = {}): Promise<Uint8Array> {
    if (!this.#running) throw stopped()
    return this.#connections.handshake(peer, options.signal)
  }

  accept(predicate: MessagePredicate, options?: AcceptOptions): MessageStream<ReceivedMessage> {
    return this.#demultiplexer.accept(predicate, options)
  }

  onMessage(predicate: MessagePredicate, handler: MessageHandler): Unsubscribe {
    return this.#demultiplexer.onMessage(predicate, handler)
  }

  presumedDead(): MessageStream<Uint8Array> {
    return this.#presumedDead.stream()
  }

  identitySwitch(): MessageStream<Uint8Array> {
    return this.#identitySwitch.stream()
  }

  closeConn(peer: RemotePeer): void {
    this.#connections.closeConn(peer)
  }

  bar(peer: RemotePeer, reason: string): void {
    this.#connections.bar(peer, reason)
  }

  isBarred(peer: RemotePeer): boolean {
    return this.#connections.isBarred(peer)
  }

  connections(): Uint8Array[] {
    return this.#connections.pkiIds()
  }

  get #running(): boolean {
    return this.#state === 'started'
  }

  async #start({ signal }: AbortOptions): Promise<void> {
    this.#state = 'starting'
    try {
      signal?.throwIfAborted()
      this.#address = await this.#connections.listen()
    } catch (error) {
      this.#state = 'idle'
      this.#starting = undefined
      throw error
    }
    // Someone may have called `stop` meanwhile; it waits for this.
    this.#state = 'started'
  }

  async #stop({ signal }: AbortOptions): Promise<void> {
    try {
      await this.#starting
    } catch {
      // It never ran; what there is to stop is stopped all the same.
    }
    this.#state = 'stopping'
    await this.#connections.stop(signal)
    this.#demultiplexer.close()
    this.#presumedDead.close()
    this.#identitySwitch.close()
    this.#state = 'stopped'
  }
}

function encoded(message: Outgoing): EncodedMessage {
  return message instanceof EncodedMessage ? message : encodeMessage(message)
}

function stopped(): CommError {
  return new CommError('COMM_STOPPED', 'comm is stopping, or has not been started')
}
