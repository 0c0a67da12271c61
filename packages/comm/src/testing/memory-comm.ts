import { systemClock } from '@heddle/events'
import type { LifecycleState } from '@heddle/interface'
import { create, gossip } from '@heddle/proto'
import { Barred } from '../connections/barred.ts'
import { CommError, reasonOf } from '../errors.ts'
import { Demultiplexer } from '../queues/demultiplexer.ts'
import { hexOf } from '../hex.ts'
import { decodeFrame, EncodedMessage, encodeMessage } from '../messages/message.ts'
import { commMetrics } from '../metrics.ts'
import { AuthenticatedMessage } from '../messages/received-message.ts'
import type { Respondent } from '../messages/received-message.ts'
import type { RemotePeer } from '../remote-peer.ts'
import { AggregatedSendResult } from '../send-result.ts'
import type { SendResult } from '../send-result.ts'
import { PresumedDead } from '../connections/presumed-dead.ts'
import { Signals } from '../queues/signals.ts'
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
} from '../types.ts'

/** How long one of these peers bars another. */
const barMs = 60_000

/** Members of one {@link MemoryNetwork}, by endpoint. */
type Members = Map<string, MemoryComm>

/**
 * A network in one process, without sockets, TLS, handshake or bounds on its queues: a message
 * reaches the other side in a later microtask. For tests of what stands on a {@link Comm}.
 */
export class MemoryNetwork {
  readonly #members: Members = new Map()
  #made = 0

  /** A member that is not started yet. @param identity - any bytes; its PKI-ID is `pkiId` */
  create(options: { readonly pkiId: Uint8Array; readonly identity: Uint8Array }): Comm {
    this.#made += 1
    return new MemoryComm(this.#members, `memory:${this.#made}`, options)
  }
}

class MemoryComm implements Comm {
  readonly pkiId: Uint8Array
  readonly identity: Uint8Array
  readonly #members: Members
  readonly #endpoint: string
  readonly #demultiplexer: Demultiplexer
  readonly #presumedDead: Signals
  readonly #identitySwitch: Signals
  readonly #connected = new Map<string, Uint8Array>()
  readonly #dead = new PresumedDead((pkiId) => this.#presumedDead.emit(pkiId))
  readonly #acks = new Map<bigint, (pkiId: Uint8Array, ack: gossip.Acknowledgement) => void>()
  readonly #barred = new Barred(systemClock, barMs)
  #nonce = 0n
  state: LifecycleState = 'idle'

  constructor(
    members: Members,
    endpoint: string,
    own: { pkiId: Uint8Array; identity: Uint8Array },
  ) {
    const metrics = commMetrics(undefined)
    this.#members = members
    this.#endpoint = endpoint
    this.pkiId = own.pkiId
    this.identity = own.identity
    this.#demultiplexer = new Demultiplexer(metrics, systemClock, undefined)
    this.#presumedDead = new Signals(metrics)
    this.#identitySwitch = new Signals(metrics)
  }

  get address(): string {
    return this.state === 'idle' ? '' : this.#endpoint
  }

  start(): Promise<void> {
    if (this.state === 'stopped') return Promise.reject(stopped())
    this.state = 'started'
    this.#members.set(this.#endpoint, this)
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.state = 'stopped'
    this.#members.delete(this.#endpoint)
    for (const member of this.#members.values()) member.#lose(this.pkiId)
    this.#connected.clear()
    this.#demultiplexer.close()
    this.#presumedDead.close()
    this.#identitySwitch.close()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  send(message: Outgoing, ...peers: readonly RemotePeer[]): void {
    if (this.state !== 'started') return
    for (const peer of peers) {
      try {
        this.#deliver(message, peer)
      } catch {
        // `#find` has said that the peer is presumed dead.
      }
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what `#deliver` throws must be a rejection
  async push(message: Outgoing, peer: RemotePeer): Promise<void> {
    if (this.state !== 'started') throw stopped()
    this.#deliver(message, peer)
  }

  async sendWithAck(
    message: gossip.GossipMessage,
    options: SendWithAckOptions,
    ...peers: readonly RemotePeer[]
  ): Promise<AggregatedSendResult> {
    const results = peers.map((peer) => this.#askFor(message, options.timeoutMs, peer))
    return new AggregatedSendResult(await enough(results, options.minAck))
  }

  probe(peer: RemotePeer): Promise<void> {
    return this.handshake({ endpoint: peer.endpoint }).then(() => undefined)
  }

  handshake(peer: RemotePeer): Promise<Uint8Array> {
    const other = this.#members.get(peer.endpoint)
    if (this.state !== 'started') return Promise.reject(stopped())
    if (other === undefined) return Promise.reject(unreachable(peer))
    if (isExpected(peer, other)) return Promise.resolve(other.identity)
    return Promise.reject(unexpected())
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

  closeConn({ pkiId }: RemotePeer): void {
    if (pkiId !== undefined) this.#connected.delete(hexOf(pkiId))
  }

  bar(peer: RemotePeer): void {
    if (peer.pkiId === undefined) return
    this.#barred.add(peer.pkiId)
    this.closeConn(peer)
  }

  isBarred({ pkiId }: RemotePeer): boolean {
    return this.#barred.has(pkiId)
  }

  connections(): Uint8Array[] {
    return [...this.#connected.values()]
  }

  #deliver(message: Outgoing, peer: RemotePeer): void {
    const other = this.#find(peer)
    this.#barred.check(other.pkiId)
    other.#barred.check(this.pkiId)
    const { bytes } = message instanceof EncodedMessage ? message : encodeMessage(message)
    this.#connect(other.pkiId)
    other.#connect(this.pkiId)
    queueMicrotask(() => other.#receive(bytes, this))
  }

  #connect(pkiId: Uint8Array): void {
    this.#connected.set(hexOf(pkiId), pkiId)
    this.#dead.wasBack(pkiId)
  }

  #find(peer: RemotePeer): MemoryComm {
    const other = this.#members.get(peer.endpoint)
    const { pkiId } = peer
    if (other !== undefined && isExpected(peer, other)) return other
    if (pkiId !== undefined) this.#dead.presume(pkiId)
    throw other === undefined ? unreachable(peer) : unexpected()
  }

  #lose(pkiId: Uint8Array): void {
    if (this.#connected.delete(hexOf(pkiId))) this.#dead.presume(pkiId)
  }

  #receive(bytes: Buffer, from: MemoryComm): void {
    const info = {
      pkiId: from.pkiId,
      identity: from.identity,
      endpoint: from.#endpoint,
      auth: { signedData: new Uint8Array(), signature: new Uint8Array() },
    }
    const respondent: Respondent = {
      info,
      respond: (message) => this.push(message, { endpoint: from.#endpoint }),
    }
    const message = new AuthenticatedMessage(decodeFrame(bytes), respondent)
    const { content, nonce } = message.message
    if (content.case === 'ack') this.#acks.get(nonce)?.(from.pkiId, content.value)
    else void this.#demultiplexer.dispatch(message)
  }

  async #askFor(
    message: gossip.GossipMessage,
    timeoutMs: number,
    peer: RemotePeer,
  ): Promise<SendResult> {
    this.#nonce += 1n
    const nonce = this.#nonce
    let timer: NodeJS.Timeout | undefined
    try {
      const answered = new Promise<string>((resolve) => {
        this.#acks.set(nonce, (_pkiId, ack) => resolve(ack.error))
        timer = setTimeout(() => resolve('timed out'), timeoutMs)
      })
      await this.push(create(gossip.GossipMessageSchema, { ...message, nonce }), peer)
      const error = await answered
      return error === '' ? { peer } : { peer, error }
    } catch (error) {
      return { peer, error: reasonOf(error) }
    } finally {
      clearTimeout(timer)
      this.#acks.delete(nonce)
    }
  }
}

function enough(pending: readonly Promise<SendResult>[], minAck: number): Promise<SendResult[]> {
  const results: SendResult[] = []
  return new Promise((resolve) => {
    if (pending.length === 0 || minAck === 0) resolve([])
    for (const one of pending) {
      void one.then((result) => {
        results.push(result)
        const acknowledged = results.filter(({ error }) => error === undefined).length
        if (acknowledged === minAck || results.length === pending.length) resolve([...results])
      })
    }
  })
}

function isExpected({ pkiId, accepts }: RemotePeer, other: MemoryComm): boolean {
  if (pkiId === undefined || hexOf(pkiId) === hexOf(other.pkiId)) return true
  return accepts?.(other.identity) === true
}

function stopped(): CommError {
  return new CommError('COMM_STOPPED', 'comm is stopping, or has not been started')
}

function unexpected(): CommError {
  return new CommError('COMM_UNEXPECTED_PEER', 'another peer than expected')
}

function unreachable({ endpoint }: RemotePeer): CommError {
  return new CommError('COMM_UNREACHABLE', `${endpoint}: no peer listens there`)
}
